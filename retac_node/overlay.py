"""Draws the solved head over its clip, to be looked at: green where the face was seen, red where it was bridged."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.data import F32, U8, Clip, FaceTrack
from retac_node.models.head import SKIN, Head, posed, vertices
from retac_node.ops.geometry import project

SEEN, BRIDGED, DOT = (80, 255, 120), (255, 70, 60), (255, 220, 0)  # RGB
OPACITY = 0.4  # of the lines
LEAST_HEIGHT = 720  # pixels; a smaller plate is enlarged, or its mesh would be a blot
SUBPIXEL = 4  # bits of fraction in OpenCV's coordinates


def enlargement(height: int) -> int:
    """Gives the whole factor by which plates of that height are drawn larger."""
    return -(-LEAST_HEIGHT // height)


def overlay(path: Path, clip: Clip, track: FaceTrack, head: Head) -> Iterator[U8]:
    """Yields each plate, enlarged to (H', W', 3), with the mesh as wire and the landmarks as dots."""
    skin = head.triangles[head.part == SKIN]  # (F', 3)
    factor = enlargement(clip.height)
    for t, plate in enumerate(media.frames(path, clip)):
        large = cv2.resize(plate, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)
        one = slice(t, t + 1)
        shape = vertices(head, track.identity, track.expression[one])
        points = posed(shape, track.rotation[one], track.translation[one])[0]  # (V, 3)
        flat = factor * project(points, track.focal, track.width, track.height)[:, :2]
        colour = SEEN if track.confidence[t] > 0 else BRIDGED
        yield drawn(large, flat, skin[facing(flat, skin)], factor * track.landmarks[t, :, :2], colour)


def facing(flat: F32, triangles: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Marks the triangles (F',) whose outside is towards the camera, by the turn of their corners on the plate."""
    a, b, c = (flat[triangles[:, corner]] for corner in range(3))
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return np.asarray(ux * vy - uy * vx < 0)


def drawn(plate: U8, flat: F32, triangles: NDArray[np.int32], landmarks: F32, colour: tuple[int, int, int]) -> U8:
    """Draws triangles with corners (V, 2) and landmarks (478, 2), all in the picture's pixels."""
    wire = plate.copy()
    corners = fixed(flat)[triangles]  # (F', 3, 2)
    cv2.polylines(wire, list(corners), True, colour, 1, cv2.LINE_AA, SUBPIXEL)
    picture = cv2.addWeighted(wire, OPACITY, plate, 1 - OPACITY, 0)
    radius = max(1 << SUBPIXEL, round(np.ptp(flat[:, 0]) / 350 * 2**SUBPIXEL))
    for x, y in fixed(landmarks[np.isfinite(landmarks).all(1)]).tolist():
        cv2.circle(picture, (x, y), radius, DOT, -1, cv2.LINE_AA, SUBPIXEL)
    return np.asarray(picture, np.uint8)


def fixed(pixels: F32) -> NDArray[np.int32]:
    """Turns pixels (..., 2) into OpenCV's fixed point, which counts from pixel centres."""
    return np.rint((pixels - 0.5) * 2**SUBPIXEL).astype(np.int32)
