"""Composite: the finished crops back onto the plate's own pixel grid, behind whatever stands in front of the face.

Where the matte is 0 the plate is not touched; the patches say nothing about it.
"""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from retac_shared.options import CompositeOptions

from retac_node import media
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Frames, Motion, Patches
from retac_node.engine.stage import Context
from retac_node.models.memory import ahead
from retac_node.models.puppet import THREADS
from retac_node.models.turn import roomy
from retac_node.ops.grain import with_grain
from retac_node.ops.window import cut

SEEN = 2  # matte values below this are no change that 8 bits can hold


def run(
    ctx: Context,
    options: CompositeOptions,
    frames: tuple[int, int],
    clip: Clip,
    track: FaceTrack,
    adapted: Adapted,
    motion: Motion,
    refined: Frames,
) -> Patches:
    """Lays output frames [start, stop) over their source frames."""
    start, stop = frames
    sources = motion.source_frame[start:stop]
    room = roomy(track, motion)
    plates = ahead(media.frames_at(ctx.source(clip.sha256), clip, sources))

    def patch(n: int, plate: U8) -> tuple[np.ndarray, U8, U8]:
        picture = np.ascontiguousarray(refined.rgb[n].transpose(1, 2, 0))
        corner, rgb, alpha = on_plate(picture, refined.mask[n, 0], room.crop_from_frame[sources[n]])
        return corner, laid(plate, corner, rgb, alpha, start + n).transpose(2, 0, 1), alpha[None]

    made: list[tuple[np.ndarray, U8, U8]] = []
    with ThreadPoolExecutor(THREADS) as pool:
        for first in ctx.track(range(0, stop - start, THREADS), label="compositing"):
            batch = range(first, min(first + THREADS, stop - start))
            made += pool.map(patch, batch, [next(plates) for _ in batch])
    corners, pictures, mattes = zip(*made, strict=True)
    matte = np.stack(mattes)
    matte[matte < SEEN] = 0
    return Patches(start, np.stack(corners).astype(np.int32), np.stack(pictures), matte)


def on_plate(rgb: U8, matte: U8, crop_from_frame: F32) -> tuple[np.ndarray, U8, U8]:
    """Brings a crop (h, w, 3) and its matte (h, w) to the plate's pixel grid; gives the patch's corner too."""
    scale = float(crop_from_frame[0, 0])
    corner = -crop_from_frame[:, 2] / scale  # plate pixels
    if scale == 1.0:
        return np.rint(corner).astype(int), rgb, matte
    whole = np.floor(corner).astype(int)
    side = int(np.ceil(len(rgb) / scale)) + 1
    move = np.array([[1 / scale, 0, corner[0] - whole[0]], [0, 1 / scale, corner[1] - whole[1]]])
    move[:, 2] += (1 / scale - 1) / 2  # OpenCV counts from pixel centres
    large = cv2.warpAffine(rgb, move, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return whole, large, cv2.warpAffine(matte, move, (side, side), flags=cv2.INTER_LINEAR)


def laid(plate: U8, corner: np.ndarray, rgb: U8, matte: U8, frame: int) -> U8:
    """Mixes a patch (h, w, 3) over the plate by its matte (h, w); where it hangs over the plate's edge it stays as it is.

    The plate's grain is put back where the patch has lost it; `frame` is what the grain is drawn from.
    """
    square = np.eye(2, 3, dtype=np.float32)
    square[:, 2] = -corner
    under = cut(plate, square, len(matte))
    rows, columns = (np.flatnonzero((matte >= SEEN).any(axis)) for axis in (1, 0))
    if len(rows) == 0:
        return under
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    base, top = under[part], matte[part]
    mixed = base + (with_grain(rgb[part], base, top, frame) - base) * (top / np.float32(255))[..., None]
    under[part] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
    return under
