"""The head painted with its own texture and lit: for what no frame of the person shows.  Never chooses frames.

The plate serves as long as it shows the same skin as the asked pose; the person's own mouths serve as long as they open
nearly as far as asked.  Beyond that the texture steps in, smoothly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32, U8, FaceTrack
from retac_node.models.head import EYEBALL, LOWER_TEETH, SKIN, UPPER_TEETH, Head, neutral, posed, vertices
from retac_node.models.landmarks3d import INNER_LIPS, LOWER_LIP, UPPER_LIP, at_landmarks
from retac_node.ops.geometry import project
from retac_node.ops.light import sh_basis
from retac_node.ops.raster import Raster, interpolate, rasterise, vertex_normals
from retac_node.ops.raster_edges import coverage, edges
from retac_node.ops.rasterisers import Rasterise, one_frame
from retac_node.ops.solve import EYE_DISTANCE
from retac_node.ops.texture import OUTLINE, Mesh, View, brightness, gather, read
from retac_node.ops.window import into_window

SIDE = 512  # texels
VIEWS = 24  # frames that the texture is read from
LIT = (0.35, 1.6)  # shading stays within: the light is only known where skin faces the camera
SHALLOW = 0.15  # metres behind the lips at which two thirds of the light, as pictures store it, are lost
EDGE_ON, SQUARE_ON = 0.05, 0.4  # cosines between which skin goes from hidden to well shown
HIDDEN, DEEP = 0.006, 0.02  # metres behind the z-buffer between which skin goes from shown to hidden
COARSE = 3  # pixels of the window to one of that z-buffer
# The mouth is agape from 1.8 x the own gap + 0.035 on, and wholly so 0.03 further; eye distances.
WIDER, GAP, SPAN = 1.8, 0.035, 0.03


@dataclass(frozen=True)
class Look:
    """One person's head: its texture, and its shape at rest."""

    texture: U8  # (SIDE, SIDE, 3) albedo
    head: Head
    points: F32  # (V, 3) at rest, head space
    normals: F32  # (V, 3)
    known: F32  # (V,) [0, 1] how far the texture was read off frames
    dark: F32  # (V, 1) share of the light that reaches the place; 1 on the skin


@dataclass(frozen=True)
class Skin:
    """What is needed to paint one frame."""

    look: Look
    shading: F32  # (V, 3) as asked
    fresh: F32  # (V,) [0, 1] how far the asked pose shows what the plate hid
    agape: float  # [0, 1] how far the asked mouth is beyond all own frames chosen for it

    @property
    def needed(self) -> bool:
        return self.agape > 0 or bool((self.fresh > 0).any())


def learn_texture(
    head: Head,
    track: FaceTrack,
    pictures: NDArray[np.uint8],
    at: Sequence[F32] | F32,
    frames: NDArray[np.int32],
    trust: F32 | None = None,
) -> tuple[U8, U8]:
    """Gathers the texture from windows (M, h, w, 3) of frames (M,), the rig in them (M, V + 20, 3), trust (M,) in each.

    Gives (SIDE, SIDE, 3) albedo and (SIDE, SIDE) confidence, u8.
    """
    views = []
    trust = np.ones(len(frames), np.float32) if trust is None else trust
    dark = darkness(head, neutral(head, track.identity))
    for row in spread_out(attitude(track, frames), VIEWS):
        one = frames[row : row + 1]
        shape = vertices(head, track.identity, track.expression[one])
        points = posed(shape, track.rotation[one], track.translation[one])[0]
        normals = vertex_normals(points, head.triangles, head.twin)
        shading = shaded(head, track.light[one[0]], normals, dark)
        place = np.ascontiguousarray(at[row][: len(points)])
        views.append(View(np.asarray(pictures[row]), place, facing(points, normals), shading, float(trust[row])))
    mesh = Mesh(head.uv, head.triangles, head.twin, np.isin(head.part, (SKIN, EYEBALL)))
    prior = (
        head.albedo_mean.copy()
    )  # what a fit says of unseen skin can be any colour: the person's own is spread instead
    teeth = np.isin(head.part, (UPPER_TEETH, LOWER_TEETH))
    prior[np.unique(head.triangles[teeth])] *= brightness(views, mesh, teeth, prior)
    return gather(views, mesh, prior, SIDE)


def inner(head: Head) -> NDArray[np.int64]:
    """Lists the vertices of the mouth's inside."""
    return np.unique(head.triangles[~np.isin(head.part, (SKIN, EYEBALL))])


def darkness(head: Head, points: F32) -> F32:
    """Gives the share of the light (V, 1) that reaches each vertex of a head at rest (V, 3): less, deeper in the mouth."""
    lips, inside = at_landmarks(head, points)[INNER_LIPS, 2].mean(), inner(head)
    dark = np.ones((len(points), 1), np.float32)
    dark[inside, 0] = np.exp(-np.maximum(points[inside, 2] - lips, 0) / SHALLOW)
    return dark


def shaded(head: Head, light: F32, normals: F32, dark: F32) -> F32:
    """Gives what light (9, 3) does to albedo 1 at each vertex (V, 3), camera space; the mouth is lit through the lips."""
    normals = normals.copy()
    normals[inner(head)] = (0, 0, -1)
    return np.asarray(np.clip(sh_basis(normals) @ light, *LIT) * dark, np.float32)


def telling_frames(track: FaceTrack) -> NDArray[np.int32]:
    """Picks up to VIEWS source frames (M,) that together show most of the head, in their order; bridged ones only if all are."""
    seen = np.flatnonzero(track.confidence > 0)
    frames = seen if len(seen) else np.arange(len(track.confidence))
    return np.sort(frames[spread_out(attitude(track, frames), VIEWS)]).astype(np.int32)


def attitude(track: FaceTrack, frames: NDArray[Any]) -> F32:
    """Gives (M, K) vectors whose distance says how differently two frames (M,) show the head."""
    return np.concatenate([track.rotation[frames], 0.3 * track.expression[frames]], 1)


def spread_out(values: F32, count: int) -> list[int]:
    """Picks up to `count` rows of (M, K), each as far as can be from those before; the first is the most ordinary."""
    away = np.linalg.norm(values - np.median(values, 0), axis=1)
    picked = [int(away.argmin())]
    nearest = np.linalg.norm(values - values[picked[0]], axis=1)
    while len(picked) < min(count, len(values)):
        picked.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(values - values[picked[-1]], axis=1))
    return picked


def facing(points: F32, normals: F32) -> F32:
    """Gives the cosine between normals (V, 3) and the way to the camera from points (V, 3), camera space."""
    return -(points * normals).sum(-1) / np.linalg.norm(points, axis=-1)


def look(head: Head, track: FaceTrack, texture: U8, confidence: U8) -> Look:
    """Puts a person's head together from what `learn_texture` gave."""
    points = neutral(head, track.identity).astype(np.float32)
    normals = vertex_normals(points, head.triangles, head.twin)
    normals[inner(head)] = (0, 0, -1)  # light comes in through the lips
    dark = darkness(head, points)
    columns, rows = np.clip(head.uv * SIDE, 0, SIDE - 1).astype(int).T
    known = cv2.erode(confidence, np.ones((5, 5), np.uint8))[rows, columns] / np.float32(255)
    return Look(texture, head, points, normals, known, dark)


def skin(
    look: Look, track: FaceTrack, source: int, rotation: F32, translation: F32, gap: float, own_gap: float
) -> Skin:
    """Finds what the plate at frame `source` does not show of an asked pose (3,) and (3,); gaps are in eye distances."""
    there = track.rotation[source], track.translation[source]
    if np.array_equal(rotation, there[0]) and np.array_equal(translation, there[1]):
        fresh = np.zeros(len(look.points), np.float32)
    else:
        shown = [seen(look, track, source, *pose) for pose in ((rotation, translation), there)]
        fresh = smooth(2 * (shown[0] - shown[1]) - 0.1) * look.known  # elsewhere the stretched plate is no worse
    normals = posed(look.normals[None], rotation[None], np.zeros((1, 3), np.float32))[0]
    shading = np.clip(sh_basis(normals) @ track.light[source], *LIT) * look.dark
    agape = float(smooth(np.array((gap - WIDER * own_gap - GAP) / SPAN)))
    return Skin(look, shading.astype(np.float32), fresh, agape)


def lights(look: Look, track: FaceTrack, frame: int, points: F32) -> F32:
    """Gives what the light of a source frame does to the head as it is shaped there: points (V, 3), camera -> (V, 3)."""
    normals = vertex_normals(points, look.head.triangles, look.head.twin)
    return shaded(look.head, track.light[frame], normals, look.dark)


def seen(look: Look, track: FaceTrack, source: int, rotation: F32, translation: F32) -> F32:
    """Says how well the head at rest, in a pose, shows each vertex in the window of frame `source`: (V,) [0, 1]."""
    points = posed(look.points[None], rotation[None], translation[None])
    normals = posed(look.normals[None], rotation[None], np.zeros((1, 3), np.float32))[0]
    at = into_window(
        project(points, track.focal, track.width, track.height).astype(np.float32),
        track.crop_from_frame[source : source + 1],
    )[0]
    at[:, :2] /= COARSE
    side = -(-track.crop_size // COARSE)
    buffer = rasterise(at, look.head.triangles, side, side).depth
    columns, rows = (np.clip(at[:, axis], 0, side - 1).astype(int) for axis in (0, 1))
    behind = np.where(np.isfinite(buffer[rows, columns]), at[:, 2] - buffer[rows, columns], 0)
    square = (facing(points[0], normals) - EDGE_ON) / (SQUARE_ON - EDGE_ON)
    return smooth(square) * (1 - smooth((behind - HIDDEN) / (DEEP - HIDDEN)))


def smooth(values: F32) -> F32:
    """Goes from 0 at 0 to 1 at 1 without a corner."""
    values = np.clip(values, 0, 1)
    return np.asarray(values * values * (3 - 2 * values), np.float32)


def lip_gap(head: Head, identity: F32, expression: F32) -> F32:
    """Gives how far the lips are apart in expressions (n, E), whatever the pose: (n,) eye distances."""
    lips = [UPPER_LIP, LOWER_LIP]
    corners, share = head.triangles[head.landmark_triangle[lips]], head.landmark_bary[lips]  # (2, 3), (2, 3)
    person = head.mean[corners] + np.tensordot(np.asarray(identity, np.float32), head.identity[:, corners], 1)
    still = np.einsum("lcx,lc->lx", person, share)
    basis = np.einsum("elcx,lc->elx", head.expression[:, corners], share)  # (E, 2, 3)
    apart = np.einsum("ne,ex->nx", expression, basis[:, 1] - basis[:, 0]) + still[1] - still[0]
    return np.asarray(np.linalg.norm(apart, axis=1) / EYE_DISTANCE, np.float32)


def paint(skin: Skin, at: F32, height: int, width: int, draw: Rasterise) -> tuple[F32, F32]:
    """Draws the lit head at places (V.., 3) of a window: (h, w, 3) RGB [0, 255], and how far it covers each pixel (h, w)."""
    head = skin.look.head
    raster = one_frame(draw, at[: len(head.mean)], head.triangles, height, width)
    found = edges(raster, at[: len(head.mean)], head.triangles, OUTLINE)
    picture, there = lit(skin, raster), coverage(raster, found)
    hit = (found.samples.triangle >= 0)[..., None]  # (K, 16, 1)
    picture[found.at] = (lit(skin, found.samples) * hit).sum(1) / np.maximum(hit.sum(1), 1)
    return picture, there


def lit(skin: Skin, raster: Raster) -> F32:
    """Colours a raster (h, w) of the head, or samples of it: (h, w, 3) RGB [0, 255]."""
    head = skin.look.head
    values = interpolate(raster, head.triangles, np.concatenate([head.uv * SIDE, skin.shading], 1))
    texels = read(skin.look.texture, values[..., :2].reshape(-1, 2)).reshape(values[..., 2:].shape)
    return 255 * texels * values[..., 2:]
