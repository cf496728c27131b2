"""Composite: the finished crops back onto the plate's own pixel grid, behind whatever stands in front of the face.

Where the matte is 0 the plate is not touched; the patches say nothing about it.
"""

import cv2
import numpy as np
from retac_shared.options import CompositeOptions

from retac_node import media
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Frames, Motion, Patches
from retac_node.engine.stage import Context
from retac_node.models.head import load_head
from retac_node.models.memory import hidden_frames, window
from retac_node.models.occlusion import full_size, in_front
from retac_node.models.puppet import rig, source_places
from retac_node.models.segmenter import Segmenter

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
    body = rig(load_head())
    segmenter = Segmenter() if Segmenter.available() else None
    if segmenter is None:
        ctx.warn(
            "the segmentation model is missing, so hands in front of the face are not kept; run: retac assets fetch"
        )
    known = hidden_frames(adapted)  # found when the person was learnt; later frames of a long clip are looked at here
    start, stop = frames
    sources = motion.source_frame[start:stop]
    at_plate = source_places(body, track, sources)
    plates = media.frames_at(ctx.source(clip.sha256), clip, sources)
    corners, pictures, mattes = [], [], []
    for n, plate in enumerate(ctx.track(plates, stop - start, "compositing")):
        matte = refined.mask[n, 0].astype(np.float32) / 255
        hidden = known.get(int(sources[n]))
        if hidden is None and segmenter is not None:
            hidden = in_front(segmenter, body, window(plate, track, sources[n]), at_plate[n])
        if hidden is not None:
            matte *= 1 - full_size(hidden, *matte.shape)
        corner, rgb, alpha = on_plate(refined.rgb[n].transpose(1, 2, 0), matte, track.crop_from_frame[sources[n]])
        corners.append(corner)
        pictures.append(laid(plate, corner, rgb, alpha).transpose(2, 0, 1))
        mattes.append(np.rint(alpha * 255).astype(np.uint8)[None])
    matte = np.stack(mattes)
    matte[matte < SEEN] = 0
    return Patches(start, np.stack(corners).astype(np.int32), np.stack(pictures), matte)


def on_plate(rgb: U8, matte: F32, crop_from_frame: F32) -> tuple[np.ndarray, F32, F32]:
    """Brings a crop (h, w, 3) and its matte (h, w) to the plate's pixel grid; gives the patch's corner too."""
    scale = float(crop_from_frame[0, 0])
    corner = -crop_from_frame[:, 2] / scale  # plate pixels
    if scale == 1.0:
        return np.rint(corner).astype(int), rgb.astype(np.float32), matte
    whole = np.floor(corner).astype(int)
    side = int(np.ceil(len(rgb) / scale)) + 1
    move = np.array([[1 / scale, 0, corner[0] - whole[0]], [0, 1 / scale, corner[1] - whole[1]]])
    move[:, 2] += (1 / scale - 1) / 2  # OpenCV counts from pixel centres
    large = cv2.warpAffine(
        rgb.astype(np.float32), move, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return whole, large, cv2.warpAffine(matte, move, (side, side), flags=cv2.INTER_LINEAR)


def laid(plate: U8, corner: np.ndarray, rgb: F32, matte: F32) -> U8:
    """Mixes a patch (h, w, 3) over the plate by its matte (h, w); where it hangs over the plate's edge it stays as it is."""
    height, width = matte.shape
    rows, columns = np.arange(height) + corner[1], np.arange(width) + corner[0]
    under = plate[np.clip(rows, 0, plate.shape[0] - 1)[:, None], np.clip(columns, 0, plate.shape[1] - 1)[None]]
    mixed = under + (rgb - under) * matte[..., None]
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
