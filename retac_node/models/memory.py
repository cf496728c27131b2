"""The memory: this person's own frames as windows of the plate, found by mouth shape and head pose.

After the memory of Yi et al. 2020 (section 3.4), with frames for values instead of features.  Never trained.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Motion
from retac_node.models.layers import person
from retac_node.models.occlusion import disputed, held, in_front
from retac_node.models.puppet import THREADS, Ask, Drawn, Rig, draw, keys, places, source_places
from retac_node.models.segmenter import Segmenter
from retac_node.models.skin import Look, learn_texture, lip_gap, look, paint, skin
from retac_node.models.turn import turn, turned
from retac_node.ops.retrieve import Choice, choose
from retac_node.ops.window import cut

MOST_PER_SECOND = 30  # frames of a faster clip are thinned out
COVERED_COST, MOST_COVERED = 2.0, 0.03  # eye distances, for a mouth of which more than this share is hidden
FAINT = 26  # of 255: what is less surely in front of the face is not
BLUR_COST = 0.05  # eye distances that a frame half as sharp as the median counts as further away


class Places(Sequence[F32]):
    """The rig (V + 20, 3) in the window of each remembered frame, found when it is first asked for."""

    def __init__(self, rig: Rig, track: FaceTrack, frames: NDArray[np.int32]) -> None:
        self._rig, self._track, self._frames = rig, track, frames
        self._found: dict[int, F32] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, row: Any) -> Any:
        if not 0 <= row < len(self._frames):
            raise IndexError(row)  # ends a walk over all rows
        if row not in self._found:
            self._found[row] = source_places(self._rig, self._track, self._frames[row : row + 1])[0]
        return self._found[row]


@dataclass(frozen=True)
class Memory:
    frames: NDArray[np.int32]  # (M,) source frame numbers
    rgb: NDArray[np.uint8]  # (M, h, w, 3), mapped from the file
    cost: F32  # (M,) eye distances, for blur
    keys: F32  # (M, K)
    at: Sequence[F32]  # (M,) of (V + 20, 3): the rig in each window
    gap: F32  # (M,) between the lips, eye distances
    hidden: dict[int, U8]  # source frame -> what `occlusion.in_front` found in it
    look: Look | None  # how the head is painted; None before its texture is gathered


def worth_holding(track: FaceTrack, fps: float, seconds: float) -> NDArray[np.int32]:
    """Lists the source frames of the first `seconds` in which the face was seen."""
    every = max(1, round(fps / MOST_PER_SECOND))
    frames = np.arange(0, min(len(track.confidence), round(seconds * fps)), every)
    return frames[track.confidence[frames] > 0].astype(np.int32)


def sharpness(crop: U8, lips: F32) -> float:
    """Gives the mean absolute Laplacian in the box of the lips (n, 2), crop pixels."""
    low, high = np.floor(lips.min(0)).astype(int), np.ceil(lips.max(0)).astype(int) + 1
    box = crop[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
    if box.size == 0:
        return 0.0
    return float(np.abs(cv2.Laplacian(cv2.cvtColor(box, cv2.COLOR_RGB2GRAY), cv2.CV_32F)).mean())


def covered_cost(covered: F32) -> F32:
    """Prices frames in which something is in front of the mouth: taken only where no other frame is left."""
    return (COVERED_COST * (covered > MOST_COVERED)).astype(np.float32)


def blur_cost(sharp: F32) -> F32:
    return (BLUR_COST * np.clip(np.log2(np.median(sharp) / np.maximum(sharp, 1e-3)), 0, 4)).astype(np.float32)


def open_memory(rig: Rig, track: FaceTrack, adapted: Adapted) -> Memory:
    with np.load(Path(adapted.folder) / "memory.npz", allow_pickle=False) as file:
        frames, sharp, covered = file["frames"], file["sharpness"], file["covered"]
        hidden = dict(zip(frames.tolist(), file["hidden"], strict=True))
    rgb = np.load(Path(adapted.folder) / "memory.npy", mmap_mode="r", allow_pickle=False)
    held = keys(rig, track.expression[frames], track.rotation[frames])
    gap = lip_gap(rig.head, track.identity, track.expression[frames])
    painted = Path(adapted.folder) / "texture.npz"
    found = None
    if painted.exists():
        with np.load(painted, allow_pickle=False) as file:
            found = look(rig.head, track, file["albedo"], file["confidence"])
    return Memory(
        frames, rgb, blur_cost(sharp) + covered_cost(covered), held, Places(rig, track, frames), gap, hidden, found
    )


def texture(rig: Rig, track: FaceTrack, memory: Memory) -> tuple[U8, U8]:
    """Gathers the head's albedo (512, 512, 3) and how well it is known (512, 512) from the memory."""
    trust = 2 ** (-memory.cost / BLUR_COST)
    return learn_texture(rig.head, track, memory.rgb, memory.at, memory.frames, trust)


def choose_frames(rig: Rig, memory: Memory, motion: Motion, candidates: int) -> Choice:
    """Finds the frames of the memory for the whole motion at once, so that a part of it is chosen as the whole is."""
    return choose(keys(rig, motion.expression, motion.rotation), memory.keys, memory.frames, memory.cost, candidates)


def ask(
    rig: Rig,
    track: FaceTrack,
    memory: Memory,
    motion: Motion,
    choice: Choice,
    frames: NDArray[np.int32],
    plates: list[U8],
) -> list[Ask]:
    """Gathers what is needed to draw output frames (n,); `plates` are the windows at their source frames."""
    source = motion.source_frame[frames]
    at_plate = source_places(rig, track, source)
    at_asked = asked_places(rig, track, motion, frames)
    gap = lip_gap(rig.head, track.identity, motion.expression[frames])
    asks = []
    for n, u in enumerate(frames):
        rows = choice.index[u]
        own = tuple(np.asarray(memory.rgb[row]) for row in rows)
        at_own = tuple(memory.at[row] for row in rows)
        cover = None
        if memory.look is not None:
            pose = motion.rotation[u], motion.translation[u]
            cover = skin(memory.look, track, int(source[n]), *pose, float(gap[n]), float(memory.gap[rows].max()))
        way = turn(track, int(source[n]), motion.rotation[u], motion.translation[u])
        size = memory.rgb.shape[1]
        asks.append(Ask(plates[n], at_plate[n], at_asked[n], own, at_own, choice.weight[u], cover, way, size))
    return asks


def asked_places(rig: Rig, track: FaceTrack, motion: Motion, frames: NDArray[np.int32]) -> F32:
    """Gives where the rig shall be in output frames (n,), in the windows of their source frames: (n, V + 20, 3)."""
    crops = track.crop_from_frame[motion.source_frame[frames]]
    return places(rig, track, motion.expression[frames], motion.rotation[frames], motion.translation[frames], crops)


def perform(
    path: Path,
    clip: Clip,
    track: FaceTrack,
    rig: Rig,
    memory: Memory,
    motion: Motion,
    choice: Choice,
    frames: Sequence[int],
) -> Iterator[tuple[Ask, Drawn]]:
    """Draws output frames of the motion, with the plate's pictures read as they are needed."""
    numbers = np.asarray(frames, np.int32)
    edited = turned(track, motion)
    unknown = any(int(source) not in memory.hidden for source in motion.source_frame[numbers])
    segmenter = Segmenter() if (unknown or edited[numbers].any()) and Segmenter.available() else None
    plates = ahead(media.frames_at(path, clip, motion.source_frame[numbers].tolist()))
    for first in range(0, len(numbers), THREADS):
        batch = numbers[first : first + THREADS]
        windows = [window(next(plates), track, int(source)) for source in motion.source_frame[batch]]
        asks = ask(rig, track, memory, motion, choice, batch, windows)
        asks = [
            looked_at(segmenter, rig, track, memory, one, int(motion.source_frame[u]), bool(edited[u]))
            for u, one in zip(batch, asks, strict=True)
        ]
        yield from zip(asks, draw(rig, asks), strict=True)


def ahead(pictures: Iterator[U8]) -> Iterator[U8]:
    """Has the next picture read while the last one is worked on, where there is a thread for that."""
    if THREADS == 1:
        yield from pictures
        return
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, pictures, None)
        while (picture := coming.result()) is not None:
            coming = reader.submit(next, pictures, None)
            yield picture


def looked_at(
    segmenter: Segmenter | None, rig: Rig, track: FaceTrack, memory: Memory, ask: Ask, source: int, edited: bool
) -> Ask:
    """Adds what is before the face, and where the pose is edited what is behind the person."""
    hidden = memory.hidden.get(source)
    middle = middle_of(ask)
    crop = ask.plate[middle]
    if hidden is None and segmenter is not None:  # beyond what was learnt
        at = ask.at_plate - np.array([middle[1].start, middle[0].start, 0], np.float32)
        hidden = in_front(segmenter, rig, crop, at)
    if hidden is not None and hidden.max() >= FAINT:
        before = np.zeros(ask.plate.shape[:2], np.float32)
        before[middle] = held(hidden, crop)
        if memory.look is not None:
            before = disputed(before, ask.plate, *as_solved(rig, track, memory.look, ask, source))
        ask = dataclasses.replace(ask, held=before)
    if edited and segmenter is not None:
        ask = dataclasses.replace(ask, person=person(segmenter, ask.plate))
    return ask


def as_solved(rig: Rig, track: FaceTrack, person: Look, ask: Ask, source: int) -> tuple[F32, F32]:
    """Paints the head as it was solved in the plate: (h, w, 3) RGB [0, 255], and how far it covers each pixel (h, w)."""
    here = skin(person, track, source, track.rotation[source], track.translation[source], 0.0, 0.0)
    height, width = ask.plate.shape[:2]
    return paint(here, ask.at_plate, height, width, rig.rasterise)


def middle_of(ask: Ask) -> tuple[slice, slice]:
    """Gives the rows and columns of the track's own window in a wider one."""
    before = (len(ask.plate) - ask.size) // 2
    inside = slice(before, before + ask.size)
    return inside, inside


def window(plate: U8, track: FaceTrack, frame: int) -> U8:
    """Cuts the face's window (h, w, 3) out of a source frame."""
    return cut(plate, track.crop_from_frame[frame], track.crop_size)
