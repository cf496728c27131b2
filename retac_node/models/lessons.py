"""What the refiner learns from and what it is shown: mouths drawn from other frames, beside what was really there.

A frame that is learnt from is drawn without itself or its neighbours in time, so that the network sees the same kind of
error that it will have to correct.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retac_node.data import F32, U8, FaceTrack
from retac_node.models.memory import Memory
from retac_node.models.mouthbox import MouthBox
from retac_node.models.puppet import THREADS, Ask, Drawn, Rig, draw, source_places
from retac_node.models.refiner import READ
from retac_node.ops.retrieve import Choice, mix, squares

APART_SECONDS = 0.4  # a frame may not be drawn from others closer than this


@dataclass(frozen=True)
class Lessons:
    """n consecutive frames of one person, each in its mouth box of side s; u8, RGB."""

    drawn: NDArray[np.uint8]  # (n, 3, s, s)
    hidden: NDArray[np.uint8]  # (n, 3, s, s) the plate around the mouth, the mouth black
    spoken: NDArray[np.uint8]  # (n, 1, s, s) 255 where the drawing may be corrected
    truth: NDArray[np.uint8]  # (n, 3, s, s)
    rows: NDArray[np.int32]  # (n, k) of `own`: the frames the memory is read from
    weight: F32  # (n, k)
    own: NDArray[np.uint8]  # (M, 3, 32, 32) the memory


def choose_others(memory: Memory, frames: NDArray[np.int32], allowed: NDArray[np.bool_], apart: int) -> Choice:
    """Finds READ rows of the memory for each of its own frames (rows `frames`), none within `apart` source frames of it."""
    distance = np.sqrt(np.maximum(squares(memory.keys[frames], memory.keys), 0)) + memory.cost[None]
    close = np.abs(memory.frames[frames][:, None] - memory.frames[None]) <= apart
    distance = np.where(close | ~allowed[None], np.float32(1e3), distance)
    near = np.sqrt(np.maximum(squares(memory.keys, memory.keys), 0))
    return mix(distance.argmin(1), distance, near, READ)


def asks_for(
    rig: Rig, track: FaceTrack, memory: Memory, rows: NDArray[np.int32], choice: Choice, candidates: int
) -> Iterator[Ask]:
    """Asks for the memory's own frames to be drawn from others, in their own windows."""
    at = source_places(rig, track, memory.frames[rows])
    for n, row in enumerate(rows):
        others = choice.index[n, :candidates]
        weight = choice.weight[n, :candidates] / choice.weight[n, :candidates].sum()
        own = tuple(np.asarray(memory.rgb[other]) for other in others)
        yield Ask(np.asarray(memory.rgb[row]), at[n], at[n], own, tuple(memory.at[other] for other in others), weight)


def prepare(rig: Rig, box: MouthBox, memory: Memory, asks: Iterable[Ask], choice: Choice) -> Lessons:
    """Draws each ask and takes the mouths; call it with a progress-counting iterable."""
    drawn, hidden, spoken, truth = [], [], [], []
    for batch in batched(asks, THREADS):
        for ask, one in zip(batch, draw(rig, batch), strict=True):
            picture, plate, region = take(box, one, ask)
            drawn.append(picture)
            hidden.append(plate)
            spoken.append(region)
            truth.append(box.take(ask.plate, ask.at_asked).transpose(2, 0, 1))
    own = memory_crops(box, memory)
    read = choice.index[:, :READ]
    return Lessons(np.stack(drawn), np.stack(hidden), np.stack(spoken), np.stack(truth), read, choice.weight, own)


def take(box: MouthBox, drawn: Drawn, ask: Ask) -> tuple[U8, U8, U8]:
    """Gives a drawing's mouth (3, s, s), the plate around it with the mouth black (3, s, s), and where that is (1, s, s)."""
    return mouth(box, drawn.rgb, drawn.spoken, ask.plate, ask.at_asked)


def mouth(box: MouthBox, rgb: U8, spoken: U8, plate: U8, at: F32) -> tuple[U8, U8, U8]:
    """The same from a crop's picture and plate (h, w, 3), region (h, w) and rig (V + 20, 3)."""
    region = box.take(spoken, at)
    hidden = (box.take(plate, at) * (1 - region[..., None] / np.float32(255))).astype(np.uint8)
    return box.take(rgb, at).transpose(2, 0, 1), hidden.transpose(2, 0, 1), region[None]


def memory_crops(box: MouthBox, memory: Memory) -> NDArray[np.uint8]:
    return np.stack(
        [box.take_small(np.asarray(rgb), at) for rgb, at in zip(memory.rgb, memory.at, strict=True)]
    ).transpose(0, 3, 1, 2)


def seen(before: F32, now: F32, after: F32, hidden: F32, spoken: F32) -> Tensor:
    """Lays the refiner's input together: (B, 13, s, s) in [0, 1] from u8 (B, c, s, s)."""
    return torch.from_numpy(np.concatenate([before, now, after, hidden, spoken], 1)).float() / 255


def batched(items: Iterable[Ask], size: int) -> Iterator[list[Ask]]:
    batch: list[Ask] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
