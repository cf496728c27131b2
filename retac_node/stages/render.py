"""Render: the head as asked, in the plate's own pixels, from the person's own frames.  Never trained, never random."""

import numpy as np
from retac_shared.options import RenderOptions

from retac_node import media
from retac_node.data import Adapted, Clip, FaceTrack, Frames, Motion
from retac_node.engine.stage import Context
from retac_node.models.head import load_head
from retac_node.models.memory import ask, choose_frames, open_memory, window
from retac_node.models.puppet import THREADS, draw, rig


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
    body = rig(load_head())
    memory = open_memory(body, track, adapted)
    choice = choose_frames(body, memory, motion, options.candidates)
    start, stop = frames
    size = track.crop_size
    rgb = np.empty((stop - start, 3, size, size), np.uint8)
    mask = np.empty((stop - start, 1, size, size), np.uint8)
    sources = motion.source_frame[start:stop]
    plates = media.frames_at(ctx.source(clip.sha256), clip, sources)
    for first in ctx.track(range(0, stop - start, THREADS), label="drawing"):
        batch = np.arange(first, min(first + THREADS, stop - start))
        windows = [window(next(plates), track, sources[n]) for n in batch]
        drawn = draw(body, ask(body, track, memory, motion, choice, start + batch, windows))
        rgb[batch] = np.stack([one.rgb for one in drawn]).transpose(0, 3, 1, 2)  # (b, 3, h, w)
        mask[batch, 0] = np.stack([one.mask for one in drawn])
    return Frames(start, rgb, mask)
