"""The person as something that can be drawn: their own frames, carried by the mesh to an asked shape and pose.

Nothing here is trained.  The plate is carried too, so that jaw, cheeks and neck follow; away from the head it stays.
"""

import functools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from retac_node.data import F32, U8, FaceTrack
from retac_node.models.head import EYEBALL, SKIN, Head, neutral, posed
from retac_node.models.landmarks3d import INNER_LIPS, LIPS, OUTER_LIPS, at_landmarks
from retac_node.models.layers import apart
from retac_node.models.skin import Skin, paint
from retac_node.models.turn import EARS, Turn, exact, follow, shown, within
from retac_node.ops.blend import moved_by
from retac_node.ops.carry import centres, displacement, joined, relaxed, sample, spared
from retac_node.ops.geometry import project
from retac_node.ops.raster import Raster, interpolate
from retac_node.ops.rasterisers import Rasterise, one_frame, rasteriser
from retac_node.ops.solve import EYE_DISTANCE
from retac_node.ops.window import into_window

PLUG_BEHIND = 0.002  # metres: the open mouth's patch lies this far behind the lips
NECK_BELOW, NECK_BEHIND = 0.015, 0.06  # metres from the mouth's middle: where the jaw ends and the neck begins
NEAR_LIPS, FAR_FROM_LIPS = (
    0.012,
    0.034,
)  # metres: the person's own frames rule up to the one, and no further than the other
REACH = 0.45  # of the crop's half side: how far beyond the mesh the plate still gives way
POSE_WEIGHT = 0.5  # eye distances that a radian of head turn counts in the choice of frames
HAIR_STEADY = 0.06  # of the reach: how smooth the field is where hair may lie before the head
STILL = 0.05  # pixels: what moves less keeps the plate's own values
GAIN_LIMIT = 1.35  # colour match between two frames of one clip, either way
THREADS = min(2, torch.get_num_threads())  # frames drawn at a time


@dataclass(frozen=True, eq=False)
class Rig:
    """The part of the head that carries pixels: skin without the neck, eyeballs, and a patch across the open mouth."""

    triangles: NDArray[np.int32]  # (F', 3) into the V vertices followed by the 20 of the inner lips' loop
    spoken: F32  # (V + 20, 1) [0, 1] how far speech rules the place
    exact: F32  # (V + 20,) [0, 1] how far the plate's pixels lie on the surface itself, not on hair before it
    carrier: NDArray[np.int64]  # vertices that the head's outline is read from
    head: Head
    rasterise: Rasterise


def rig(head: Head, device: str = "cpu") -> Rig:
    """Gives what is drawn of the head, and what draws it on "cpu" or "cuda"."""
    corner = len(head.mean)
    drawn = np.isin(head.part, (SKIN, EYEBALL)) & ~neck(head)[head.triangles].any(1)
    upper = [corner + i for i in range(11)]  # from one corner of the mouth over the upper lip to the other
    lower = [corner + (20 - i) % 20 for i in range(11)]  # the same way over the lower lip
    strip = [(upper[i], upper[i + 1], lower[i]) for i in range(10)] + [
        (upper[i + 1], lower[i + 1], lower[i]) for i in range(10)
    ]
    patch = np.array([t for t in strip if len(set(t)) == 3], np.int32)
    spoken = np.concatenate([head.spoken * near_lips(head), np.ones(20, np.float32)])[:, None]
    solid = np.concatenate([exact(head), np.ones(20, np.float32)])
    triangles = np.concatenate([head.triangles[drawn], patch]).astype(np.int32)
    carried = np.unique(triangles[triangles.max(1) < corner])
    return Rig(triangles, spoken, solid, carried[np.abs(head.mean[carried, 0]) < EARS], head, rasteriser(device))


def near_lips(head: Head) -> F32:
    """Gives (V,) weights that fall from 1 at the lips to 0 before the chin's edge.

    The carried plate has chin and cheeks already, and two frames never agree to the pixel on an outline.
    """
    lips = at_landmarks(head, head.mean)[OUTER_LIPS]  # (20, 3)
    away = np.linalg.norm(head.mean[:, None] - lips[None], axis=-1).min(1)  # (V,) metres
    rise = np.clip((FAR_FROM_LIPS - away) / (FAR_FROM_LIPS - NEAR_LIPS), 0, 1)
    return (rise * rise * (3 - 2 * rise)).astype(np.float32)


def neck(head: Head) -> NDArray[np.bool_]:
    """Marks the vertices (V,) below and behind the jaw: the plate's neck stretches there and is not carried rigidly."""
    mouth = at_landmarks(head, head.mean)[INNER_LIPS].mean(0)
    return (head.mean[:, 1] > mouth[1] + NECK_BELOW) & (head.mean[:, 2] > mouth[2] + NECK_BEHIND)


def places(rig: Rig, track: FaceTrack, expression: F32, rotation: F32, translation: F32, crop_from_frame: F32) -> F32:
    """Gives where the rig's vertices lie in each frame's window: (n, V + 20, 3), crop pixels and metres of depth.

    Frame by frame, because a product of matrices rounds by its size: a frame alone must lie where it lies among others.
    """
    still = rest(rig, np.asarray(track.identity).tobytes(), str(np.asarray(track.identity).dtype))
    basis = rig.head.expression.reshape(len(rig.head.expression), -1)  # (E, 3V)
    shapes = [moved_by(still.ravel(), basis, one).reshape(still.shape) for one in np.asarray(expression, np.float32)]
    points = np.concatenate(
        [posed(shape[None], rotation[n : n + 1], translation[n : n + 1]) for n, shape in enumerate(shapes)]
    )  # (n, V, 3)
    loop = at_landmarks(rig.head, points)[:, INNER_LIPS]  # (n, 20, 3)
    loop[..., 2] += PLUG_BEHIND
    seen = project(np.concatenate([points, loop], 1), track.focal, track.width, track.height).astype(np.float32)
    return into_window(seen, crop_from_frame)


@functools.lru_cache(maxsize=4)
def rest(rig: Rig, identity: bytes, kind: str) -> F32:
    """Gives one person's head at rest (V, 3), head space; it is the same for all frames of a clip."""
    return np.ascontiguousarray(neutral(rig.head, np.frombuffer(identity, kind)), np.float32)


def source_places(rig: Rig, track: FaceTrack, frames: NDArray[np.int32]) -> F32:
    """The same for source frames (n,) as they were solved."""
    return places(
        rig,
        track,
        track.expression[frames],
        track.rotation[frames],
        track.translation[frames],
        track.crop_from_frame[frames],
    )


def keys(rig: Rig, expression: F32, rotation: F32) -> F32:
    """Gives (n, K) vectors whose distance says how unlike two mouths are: lips at rest pose, and the head's turn.

    In eye distances, root mean square over the lips.
    """
    basis = at_landmarks(rig.head, rig.head.expression)[:, LIPS].reshape(len(rig.head.expression), -1)  # (E, 40 * 3)
    lips = expression @ basis / EYE_DISTANCE / np.sqrt(len(LIPS))
    return np.concatenate([lips, rotation * POSE_WEIGHT], 1).astype(np.float32)


@dataclass(frozen=True)
class Ask:
    """One frame to draw, in one window of the plate."""

    plate: U8  # (h, w, 3) the window
    at_plate: F32  # (V + 20, 3) the rig in it as solved
    at_asked: F32  # (V + 20, 3) the rig as it shall be
    own: tuple[U8, ...]  # (h, w, 3) the person's own frames to take the mouth from
    at_own: tuple[F32, ...]  # (V + 20, 3) the rig in each
    weight: F32  # (c,) of each, sums to 1
    skin: Skin | None = None  # what is painted where no frame serves
    turn: Turn | None = None  # how the head is turned away from the plate's pose; None where it is not
    size: int = 0  # of the track's own windows, pixels, where this one is wider
    held: F32 | None = None  # (h, w) [0, 1] what is in front of the face and stays as it is; None: nothing
    person: F32 | None = None  # (h, w) [0, 1] where the plate shows them; None: they and what is behind move as one


Part = tuple[slice, slice]  # rows and columns of a window


@dataclass(frozen=True)
class Drawn:
    rgb: U8  # (h, w, 3)
    mask: U8  # (h, w) 255 where the picture differs from the plate
    spoken: U8  # (h, w) 255 where the person's own frames rule, 0 where the carried plate does


def draw(rig: Rig, asks: list[Ask]) -> list[Drawn]:
    """Draws frames in parallel; the result of each depends on its own Ask alone."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(lambda ask: draw_one(rig, ask), asks))


def draw_one(rig: Rig, ask: Ask) -> Drawn:
    height, width = ask.plate.shape[:2]
    raster = one_frame(rig.rasterise, ask.at_asked, rig.triangles, height, width)
    drawn = (raster.triangle >= 0).astype(np.float32)
    field = carrying(rig, ask, raster) * border(height, width)[..., None]
    distance = cv2.magnitude(field[..., 0], field[..., 1])
    picture = carried(ask.plate, field, box_of(distance, STILL))
    moved = np.clip((distance - 0.3) / 0.6, 0, 1)  # less than that is not seen
    if ask.person is not None:
        picture, touched = apart(ask.plate, ask.person, field, picture)
        moved *= touched
    lit = painted(rig, ask, raster, drawn, picture)
    if lit is not None:
        picture = as_bytes(picture + (lit.rgb - picture) * lit.fresh[..., None])
    size = ask.size or len(ask.plate)
    spoken = mouth_weight(interpolate(raster, rig.triangles, rig.spoken)[..., 0], drawn, size)
    part = box_of(spoken)
    if part is not None:
        base = picture[part].astype(np.float32)
        mouth = own_mouth(rig, ask, part_of(raster, part), part)
        mouth *= gain(base, mouth, 4 * spoken[part] * (1 - spoken[part]) * drawn[part], size)
        if lit is not None:
            mouth += (lit.rgb[part] - mouth) * lit.agape[part][..., None]
        picture[part] = as_bytes(base + (mouth - base) * spoken[part][..., None])
    mask = np.maximum(spoken, cv2.GaussianBlur(moved, (0, 0), 2.0) * border(height, width))
    if lit is not None:
        mask = np.maximum(mask, lit.fresh)
    if ask.held is not None:
        mask *= 1 - ask.held
    return Drawn(picture, as_bytes(mask * 255), as_bytes(spoken * 255))


def carried(plate: U8, field: F32, part: Part | None) -> U8:
    """Pulls a part of the plate (h, w, 3) through a field (h, w, 2); the rest stays."""
    picture = plate.copy()
    if part is not None:
        picture[part] = sample(plate, field[part], (part[1].start, part[0].start))
    return picture


def carrying(rig: Rig, ask: Ask, raster: Raster) -> F32:
    """Gives how far away in the plate each pixel's colour lies: (h, w, 2), pixels."""
    reach = REACH * (ask.size or len(ask.plate)) / 2
    if ask.turn is None:
        return displacement(raster, rig.triangles, ask.at_plate[:, :2], reach, ask.held)
    height, width = raster.triangle.shape
    source = interpolate(raster, rig.triangles, np.column_stack([ask.at_plate, rig.exact]))  # (h, w, 4)
    outer = follow(ask.turn, ask.at_asked[rig.carrier], ask.at_plate[rig.carrier], height, width)
    outer = cv2.resize(outer, (width, height), interpolation=cv2.INTER_LINEAR)
    known = shown(raster, source[..., :3], ask.at_plate, rig.triangles)
    known = cv2.GaussianBlur(cv2.erode(known, np.ones((5, 5), np.uint8)), (0, 0), 0.02 * reach) * known
    field = (source[..., :2] - centres(height, width) - outer) * known[..., None]
    filled = relaxed(field, known + (raster.triangle < 0), reach, HAIR_STEADY * reach)
    found = within(ask.turn, outer + joined(field, known * source[..., 3], filled))
    return found if ask.held is None else spared(found, ask.held)


@dataclass(frozen=True)
class Lit:
    """The painted head in one window, and where it replaces frames."""

    rgb: F32  # (h, w, 3) [0, 255], in the colours of the plate
    fresh: F32  # (h, w) [0, 1] over the plate
    agape: F32  # (h, w) [0, 1] over the person's own mouths


def painted(rig: Rig, ask: Ask, raster: Raster, drawn: F32, plate: U8) -> Lit | None:
    """Paints the head over a carried plate (h, w, 3); None where the frames serve everywhere."""
    if ask.skin is None or not ask.skin.needed:
        return None
    height, width = drawn.shape
    rgb, there = paint(ask.skin, ask.at_asked, height, width, rig.rasterise)
    weights = np.zeros((len(rig.spoken), 2), np.float32)
    weights[:-20, 0] = ask.skin.fresh * rig.exact[:-20]
    weights[-20:, 1] = ask.skin.agape  # the patch across the mouth
    fresh, agape = np.moveaxis(interpolate(raster, rig.triangles, weights), -1, 0)
    soft = 0.004 * (ask.size or width)
    inner = cv2.erode(there * drawn, np.ones((3, 3), np.uint8))
    fresh = cv2.GaussianBlur(fresh * inner, (0, 0), soft) * cv2.GaussianBlur(inner, (0, 0), 1.0) * border(height, width)
    agape = cv2.GaussianBlur(cv2.dilate(agape, np.ones((3, 3), np.uint8)), (0, 0), soft / 2) * there
    matched = rgb * gain(
        plate.astype(np.float32), rgb, (1 - np.maximum(fresh, agape)) * there * drawn, ask.size or width
    )
    return Lit(matched, fresh, agape)


def own_mouth(rig: Rig, ask: Ask, raster: Raster, part: Part) -> F32:
    """Mixes the person's own frames, carried to the asked shape, over a part of the window -> (h', w', 3) [0, 255]."""
    height, width = raster.triangle.shape
    here = centres(height, width) + np.array([part[1].start, part[0].start], np.float32)
    drawn = (raster.triangle >= 0)[..., None]
    mouth = np.zeros((height, width, 3), np.float32)
    for picture, at, weight in zip(ask.own, ask.at_own, ask.weight, strict=True):
        carried = interpolate(raster, rig.triangles, np.ascontiguousarray(at[:, :2])) - here
        mouth += weight * sample(picture, carried * drawn, (part[1].start, part[0].start)).astype(np.float32)
    return mouth


def box_of(weight: F32, least: float = 1 / 512) -> Part | None:
    """Finds the rows and columns of a window (h, w) that hold all weight above the least; None where there is none."""
    rows, columns = (np.flatnonzero((weight > least).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return None
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def wider(part: Part, by: int, shape: tuple[int, ...]) -> Part:
    rows, columns = (slice(max(0, at.start - by), min(n, at.stop + by)) for at, n in zip(part, shape, strict=False))
    return rows, columns


def part_of(raster: Raster, part: Part) -> Raster:
    return Raster(raster.triangle[part].copy(), raster.bary[part].copy(), raster.depth[part].copy())


def mouth_weight(spoken: F32, drawn: F32, size: int) -> F32:
    """Feathers the spoken region (h, w) and keeps it off the silhouette, where two frames never quite agree.

    `size` is the track's window's.
    """
    soft = 0.012 * size
    weight = np.zeros_like(spoken)
    found = box_of(spoken)
    if found is not None:
        part = wider(found, int(6 * soft), spoken.shape)
        steps = max(1, round(soft))
        inner = cv2.erode(drawn[part], np.ones((3, 3), np.uint8), iterations=steps)
        kept = cv2.GaussianBlur(inner, (0, 0), soft) * drawn[part]
        weight[part] = cv2.GaussianBlur(np.ascontiguousarray(spoken[part]), (0, 0), soft) * kept
    return weight


def gain(base: F32, other: F32, common: F32, size: int) -> F32:
    """Gives a smooth (h', w', 3) factor that brings `other` to the colour `base` has where `common` (h', w') is 1.

    `size` is the window's.
    """
    ring = common[..., None] + np.float32(1e-4)
    wide = 0.06 * size
    ratio = (blur(base * ring, wide) + 1) / (blur(other * ring, wide) + 1)
    return np.clip(ratio, 1 / GAIN_LIMIT, GAIN_LIMIT)


def blur(picture: F32, sigma: float) -> F32:
    """Blurs widely at a quarter of the resolution."""
    height, width = picture.shape[:2]
    small = cv2.resize(picture, (max(1, width // 4), max(1, height // 4)), interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (0, 0), sigma / 4), (width, height), interpolation=cv2.INTER_LINEAR)


@functools.lru_cache(maxsize=8)
def border(height: int, width: int) -> F32:
    """Gives (h, w) weights that fall to 0 at the window's edge, so that it never shows."""
    ramps = [np.clip(np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.06 * n), 0, 1) for n in (height, width)]
    return np.minimum.outer(ramps[0], ramps[1]).astype(np.float32)


def as_bytes(picture: F32) -> U8:
    return np.clip(np.rint(picture), 0, 255).astype(np.uint8)
