"""How the plate follows a head that is asked to turn: hair rigidly, neck and background less and less, shoulders not.

Hair is carried by a plane through the middle of the head.  Never looks at colours: it knows poses and places only.
"""

import dataclasses
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from retac_node.data import F32, FaceTrack, Motion
from retac_node.models.head import Head
from retac_node.ops.carry import COARSE
from retac_node.ops.geometry import rotation_matrix
from retac_node.ops.raster import Raster, rasterise
from retac_node.ops.window import MULTIPLE

ROOM = 1.6  # the window of an edited motion against the track's: hair and the way down to the still background
LIMIT = float(np.radians(12))  # how far beyond the clip's own range of poses the head can be turned
# The head with hair, on the plane through its middle: metres from the point between the ears.
WIDE, ABOVE, BELOW, MIDDLE = 0.105, 0.145, 0.125, -0.02
FADE = 1.8  # at that multiple of the ellipse nothing moves any more
BEARINGS = 72  # directions in which the head's outline is measured
OUTLINE_REACH = 0.08  # metres beyond the outline over which its change dies out
HIDDEN, DEEP = 0.004, 0.012  # metres behind the plate's nearest surface from which skin starts to be, and is, hidden
EXACT = (-0.03, -0.055)  # metres, z in head space: from ears, which hair may cover, to the face, which is as solved
EARS = 0.0715  # metres from the middle; what lies further out is no part of the outline
BROW = (-0.085, -0.06)  # metres, y: from scalp to forehead


@dataclass(frozen=True)
class Turn:
    """The head's pose in the plate and as asked, and the camera of the window both are seen in."""

    there: tuple[F32, F32]  # rotation (3,) and translation (3,) in the plate
    asked: tuple[F32, F32]
    focal: float  # pixels of the window
    centre: F32  # (2,) the principal point, pixels of the window
    plate: tuple[float, float, float, float]  # left, top, right, bottom of the plate, pixels of the window


def turned(track: FaceTrack, motion: Motion) -> np.ndarray:
    """Marks the output frames (U,) whose pose is not their source frame's."""
    source = motion.source_frame
    return ((motion.rotation != track.rotation[source]) | (motion.translation != track.translation[source])).any(1)


def roomy(track: FaceTrack, motion: Motion) -> FaceTrack:
    """Gives the track with the windows that the motion is drawn in: wider where any of its poses is edited."""
    if not turned(track, motion).any():
        return track
    size = int(np.ceil(track.crop_size * ROOM / MULTIPLE)) * MULTIPLE
    crop_from_frame = track.crop_from_frame.copy()
    crop_from_frame[:, :, 2] += (size - track.crop_size) // 2
    return dataclasses.replace(track, crop_from_frame=crop_from_frame, crop_size=size)


def reachable(track: FaceTrack, motion: Motion) -> tuple[Motion, F32]:
    """Holds the poses within LIMIT beyond the clip's own, axis by axis; gives by how much each frame (U,) went further.

    Radians.
    """
    own = track.rotation[track.confidence > 0] if (track.confidence > 0).any() else track.rotation
    held = np.clip(motion.rotation, own.min(0) - np.float32(LIMIT), own.max(0) + np.float32(LIMIT))
    return dataclasses.replace(motion, rotation=held), np.abs(motion.rotation - held).max(1)


def turn(track: FaceTrack, source: int, rotation: F32, translation: F32) -> Turn | None:
    """Describes how the head is turned from source frame `source`; None where it stays."""
    there = track.rotation[source], track.translation[source]
    if np.array_equal(rotation, there[0]) and np.array_equal(translation, there[1]):
        return None
    scale, (left, top) = float(track.crop_from_frame[source, 0, 0]), track.crop_from_frame[source, :, 2]
    right, bottom = left + track.width * scale, top + track.height * scale
    centre = np.array([(left + right) / 2, (top + bottom) / 2], np.float32)
    edges = float(left), float(top), float(right), float(bottom)
    return Turn(there, (rotation, translation), track.focal * scale, centre, edges)


def exact(head: Head) -> F32:
    """Gives (V,) how far the plate's pixels lie on the model's surface: 1 on the face, 0 where hair may be before it."""
    depth = np.clip((EXACT[0] - head.mean[:, 2]) / (EXACT[0] - EXACT[1]), 0, 1)
    height = np.clip((head.mean[:, 1] - BROW[0]) / (BROW[1] - BROW[0]), 0, 1)
    return (smooth(depth) * smooth(height)).astype(np.float32)


def follow(turn: Turn, at_asked: F32, at_plate: F32, height: int, width: int) -> F32:
    """Gives the displacement (h / 4, w / 4, 2), pixels of the window, by which all that is not the face follows.

    at_asked and at_plate (v, 3): the head's vertices in the window.  Beyond the head's outline lies what lay beyond its
    outline in the plate, so that a cheek turned away covers what is behind it.
    """
    rows, columns = np.mgrid[0 : -(-height // COARSE), 0 : -(-width // COARSE)].astype(np.float32) * COARSE + COARSE / 2
    pixels = np.stack([columns, rows], -1)
    place = on_plane(turn, turn.asked, pixels)  # (h / 4, w / 4, 2)
    outline = radii(on_plane(turn, turn.asked, at_asked[:, :2]))  # (BEARINGS,) metres
    further = radii(on_plane(turn, turn.there, at_plate[:, :2])) - outline
    distance = np.maximum(np.hypot(*np.moveaxis(place, -1, 0)), 1e-4)
    bearing = bearings(place)
    near = 1 - smooth(np.clip((distance - around(outline, bearing)) / OUTLINE_REACH, 0, 1))
    away = place * (1 + around(further, bearing) * near / distance)[..., None]
    before = away @ rotation_matrix(turn.there[0])[:, :2].T + turn.there[1]
    found = before[..., :2] / before[..., 2:] * turn.focal + turn.centre - pixels
    return (found * weight(place)[..., None]).astype(np.float32)


def on_plane(turn: Turn, pose: tuple[F32, F32], pixels: F32) -> F32:
    """Finds where the window's pixels (..., 2) meet the plane through the head's middle: (..., 2) metres, head space."""
    rays = np.concatenate([(pixels - turn.centre) / turn.focal, np.ones_like(pixels[..., :1])], -1)
    rotation, translation = rotation_matrix(pose[0]), pose[1]
    depth = (rotation[:, 2] @ translation) / np.maximum(rays @ rotation[:, 2], 0.2)
    return np.asarray(((rays * depth[..., None] - translation) @ rotation)[..., :2], np.float32)


def bearings(place: F32) -> F32:
    """Gives the direction of places (..., 2) from the head's middle, in steps of the outline: [0, BEARINGS)."""
    turns = np.arctan2(place[..., 1], place[..., 0]) / (2 * np.pi) % 1
    return np.asarray(turns * BEARINGS, np.float32)


def radii(place: F32) -> F32:
    """Gives how far the outline of places (v, 2) is from the head's middle in each direction: (BEARINGS,) metres."""
    found = np.zeros(BEARINGS, np.float32)
    np.maximum.at(found, bearings(place).astype(int) % BEARINGS, np.hypot(place[:, 0], place[:, 1]))
    return gaussian_filter1d(maximum_filter1d(found, 3, mode="wrap"), 2.0, mode="wrap")


def around(values: F32, bearing: F32) -> F32:
    """Reads values (BEARINGS,) at directions (...), between their steps' middles."""
    below = np.floor(bearing - 0.5)
    share = bearing - 0.5 - below
    low = below.astype(int) % BEARINGS
    return np.asarray(values[low] * (1 - share) + values[(low + 1) % BEARINGS] * share, np.float32)


def weight(place: F32) -> F32:
    """Gives how far places (..., 2) on the head's plane, metres, go with the head: 1 within the hair, 0 far away."""
    down = place[..., 1] - MIDDLE
    ring = np.hypot(place[..., 0] / WIDE, down / np.where(down < 0, ABOVE, BELOW))
    return smooth(np.clip((FADE - ring) / (FADE - 1), 0, 1))


def within(turn: Turn, field: F32) -> F32:
    """Bends a displacement (h, w, 2) so that nothing is pulled from beyond the plate's edge."""
    height, width = field.shape[:2]
    bent = field.copy()
    for axis, count, (first, last) in ((0, width, turn.plate[0::2]), (1, height, turn.plate[1::2])):
        at = np.arange(count, dtype=np.float32) + 0.5
        at = at[None, :] if axis == 0 else at[:, None]
        low, high = np.maximum(at - first, 0.01), np.maximum(last - at, 0.01)
        ahead = field[..., axis]
        bent[..., axis] = np.where(ahead > 0, high * np.tanh(ahead / high), low * np.tanh(ahead / low))
    return bent


def shown(raster: Raster, at_source: F32, at_plate: F32, triangles: np.ndarray) -> F32:
    """Says how well the plate shows what each pixel of the asked pose is made of: (h, w) [0, 1].

    at_source (h, w, 3): where in the plate's window, and how deep, the surface at each pixel lay; at_plate (V, 3).
    """
    height, width = raster.triangle.shape
    small = np.ascontiguousarray(at_plate, np.float32) / np.array([2, 2, 1], np.float32)
    nearest = rasterise(small, triangles, height // 2, width // 2).depth
    nearest = np.where(np.isfinite(nearest), nearest, 0)
    found = cv2.remap(nearest, at_source[..., 0] / 2 - 0.5, at_source[..., 1] / 2 - 0.5, cv2.INTER_NEAREST)
    behind = np.where(found > 0, at_source[..., 2] - found, 0)
    return (1 - smooth(np.clip((behind - HIDDEN) / (DEEP - HIDDEN), 0, 1))) * (raster.triangle >= 0)


def smooth(rise: F32) -> F32:
    """Goes from 0 at 0 to 1 at 1 without a corner."""
    return np.asarray(rise * rise * (3 - 2 * rise), np.float32)
