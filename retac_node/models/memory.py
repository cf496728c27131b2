"""The memory: this person's own frames as windows of the plate, found by mouth shape and head pose.

After the memory of Yi et al. 2020 (section 3.4), with frames for values instead of features.  Never trained.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.data import F32, U8, Adapted, Clip, FaceTrack, Motion
from retac_node.models.puppet import THREADS, Ask, Drawn, Rig, draw, keys, places, source_places
from retac_node.models.skin import Look, learn_texture, lip_gap, look, skin
from retac_node.ops.retrieve import Choice, choose
from retac_node.ops.window import cut

MOST_PER_SECOND = 30  # frames of a faster clip are thinned out
COVERED_COST, MOST_COVERED = 2.0, 0.03  # eye distances, for a mouth of which more than this share is hidden
BLUR_COST = 0.05  # eye distances that a frame half as sharp as the median counts as further away


@dataclass(frozen=True)
class Memory:
    frames: NDArray[np.int32]  # (M,) source frame numbers
    rgb: NDArray[np.uint8]  # (M, h, w, 3), mapped from the file
    cost: F32  # (M,) eye distances, for blur
    keys: F32  # (M, K)
    at: F32  # (M, V + 20, 3) the rig in each window
    gap: F32  # (M,) between the lips, eye distances
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


def hidden_frames(adapted: Adapted) -> dict[int, U8]:
    """Gives what `occlusion.in_front` found in each remembered source frame."""
    with np.load(Path(adapted.folder) / "memory.npz", allow_pickle=False) as file:
        return dict(zip(file["frames"].tolist(), file["hidden"], strict=True))


def covered_cost(covered: F32) -> F32:
    """Prices frames in which something is in front of the mouth: taken only where no other frame is left."""
    return (COVERED_COST * (covered > MOST_COVERED)).astype(np.float32)


def blur_cost(sharp: F32) -> F32:
    return (BLUR_COST * np.clip(np.log2(np.median(sharp) / np.maximum(sharp, 1e-3)), 0, 4)).astype(np.float32)


def open_memory(rig: Rig, track: FaceTrack, adapted: Adapted) -> Memory:
    with np.load(Path(adapted.folder) / "memory.npz", allow_pickle=False) as file:
        frames, sharp, covered = file["frames"], file["sharpness"], file["covered"]
    rgb = np.load(Path(adapted.folder) / "memory.npy", mmap_mode="r", allow_pickle=False)
    held = keys(rig, track.expression[frames], track.rotation[frames])
    gap = lip_gap(rig.head, track.identity, track.expression[frames])
    painted = Path(adapted.folder) / "texture.npz"
    found = None
    if painted.exists():
        with np.load(painted, allow_pickle=False) as file:
            found = look(rig.head, track, file["albedo"], file["confidence"])
    return Memory(
        frames, rgb, blur_cost(sharp) + covered_cost(covered), held, source_places(rig, track, frames), gap, found
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
        asks.append(Ask(plates[n], at_plate[n], at_asked[n], own, at_own, choice.weight[u], cover))
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
    plates = media.frames_at(path, clip, motion.source_frame[numbers].tolist())
    for first in range(0, len(numbers), THREADS):
        batch = numbers[first : first + THREADS]
        windows = [window(next(plates), track, int(source)) for source in motion.source_frame[batch]]
        asks = ask(rig, track, memory, motion, choice, batch, windows)
        yield from zip(asks, draw(rig, asks), strict=True)


def window(plate: U8, track: FaceTrack, frame: int) -> U8:
    """Cuts the face's window (h, w, 3) out of a source frame."""
    return cut(plate, track.crop_from_frame[frame], track.crop_size)
