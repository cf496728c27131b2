"""Refine: the refiner's corrections to the drawn mouths, as strong as the held-out slice of the clip allows.

Each frame is seen with its neighbours in time; at a chunk's border they are drawn again, so chunks equal the whole.
"""

from pathlib import Path

import numpy as np
from retac_shared.options import RefineOptions

from retac_node import media
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Frames, Motion
from retac_node.engine.stage import Context
from retac_node.models.apprentice import correct
from retac_node.models.head import load_head
from retac_node.models.lessons import memory_crops, mouth, seen, take
from retac_node.models.memory import asked_places, choose_frames, open_memory, perform, window
from retac_node.models.mouthbox import MouthBox, mouth_box
from retac_node.models.puppet import rig
from retac_node.models.refiner import READ, load_refiner
from retac_node.models.turn import roomy


def run(
    ctx: Context,
    options: RefineOptions,
    frames: tuple[int, int],
    clip: Clip,
    track: FaceTrack,
    adapted: Adapted,
    motion: Motion,
    rendered: Frames,
) -> Frames:
    """Corrects output frames [start, stop)."""
    strength = adapted.notes["refiner strength"]
    if strength == 0:
        return rendered
    body = rig(load_head(), ctx.device)
    memory = open_memory(body, track, adapted)
    choice = choose_frames(body, memory, motion, READ)
    drawn_from = choose_frames(body, memory, motion, options.candidates)
    net = load_refiner(Path(adapted.folder) / "refiner.safetensors")
    box = mouth_box(body, track)
    own = memory_crops(box, memory)
    start, stop = frames
    path, track = ctx.source(clip.sha256), roomy(track, motion)
    beyond = [u for u in (start - 1, stop) if 0 <= u < len(motion.source_frame)]
    outside = {
        u: take(box, drawn, ask)
        for u, (ask, drawn) in zip(
            beyond, perform(path, clip, track, body, memory, motion, drawn_from, beyond), strict=True
        )
    }
    at = asked_places(body, track, motion, np.arange(start, stop, dtype=np.int32))
    plates = media.frames_at(path, clip, motion.source_frame[start:stop].tolist())
    inside = [
        mouth(box, rendered.rgb[n].transpose(1, 2, 0), rendered.spoken[n, 0], window(plate, track, int(source)), at[n])
        for n, (plate, source) in enumerate(zip(plates, motion.source_frame[start:stop], strict=True))
    ]
    first, last = outside.get(start - 1, inside[0]), outside.get(stop, inside[-1])
    mouths = stacked([first, *inside, last])
    rgb = np.array(rendered.rgb)
    for k in ctx.track(range(stop - start), label="refining"):  # one by one: sums in a batch round by its size
        before, now, after = (mouths[0][n : n + 1] for n in (k, k + 1, k + 2))  # (1, 3, s, s)
        x = seen(before, now, after, mouths[1][k + 1 : k + 2], mouths[2][k + 1 : k + 2])
        row = slice(start + k, start + k + 1)
        found = correct(net, x, own[choice.index[row]], choice.weight[row], strength)[0]  # (3, s, s)
        rgb[k] = corrected(rgb[k], found, mouths[2][k + 1], box, at[k])
    return Frames(start, rgb, np.asarray(rendered.mask), np.asarray(rendered.spoken))


def stacked(mouths: list[tuple[U8, U8, U8]]) -> list[U8]:
    """Turns mouths into stacks of drawings (n, 3, s, s), hidden plates (n, 3, s, s) and regions (n, 1, s, s)."""
    return [np.stack(part) for part in zip(*mouths, strict=True)]


def corrected(picture: U8, correction: F32, region: U8, box: MouthBox, at: F32) -> U8:
    """Adds a correction (3, s, s) to a crop (3, h, w) where the region (1, s, s) lets it."""
    full = box.give((correction * (region / np.float32(255))).transpose(1, 2, 0), at, picture.shape[-1])
    return np.clip(np.rint(picture + 255 * full.transpose(2, 0, 1)), 0, 255).astype(np.uint8)
