"""Render: the head as asked, in the plate's own pixels, from the person's own frames.  Never trained, never random."""

import numpy as np
from retac_shared.options import RenderOptions

from retac_node.data import Adapted, Clip, FaceTrack, Frames, Motion
from retac_node.engine.stage import Context
from retac_node.models.head import load_head
from retac_node.models.memory import choose_frames, open_memory, perform
from retac_node.models.puppet import rig
from retac_node.models.segmenter import Segmenter
from retac_node.models.turn import roomy


def run(
    ctx: Context,
    options: RenderOptions,
    frames: tuple[int, int],
    clip: Clip,
    track: FaceTrack,
    adapted: Adapted,
    motion: Motion,
) -> Frames:
    """Draws output frames [start, stop)."""
    if not Segmenter.available():
        ctx.warn(
            "the segmentation model is missing, so hands in front of the face are not kept; run: retac assets fetch"
        )
    body = rig(load_head(), ctx.device)
    memory = open_memory(body, track, adapted)
    choice = choose_frames(body, memory, motion, options.candidates)
    path, track = ctx.source(clip.sha256), roomy(track, motion)
    shape = (frames[1] - frames[0], track.crop_size, track.crop_size)
    rgb, mask, spoken = np.empty((*shape, 3), np.uint8), np.empty(shape, np.uint8), np.empty(shape, np.uint8)
    drawn = perform(path, clip, track, body, memory, motion, choice, range(*frames))
    for n, (_, one) in enumerate(ctx.track(drawn, shape[0], "drawing")):
        rgb[n], mask[n], spoken[n] = one.rgb, one.mask, one.spoken
    return Frames(frames[0], rgb.transpose(0, 3, 1, 2), mask[:, None], spoken[:, None])
