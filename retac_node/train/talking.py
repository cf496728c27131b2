"""Talking clips as training data: what the mouth does and what is heard, one sample a sentence.  Any folder of clips will do.

Of each video: landmarks (kept in a working folder, since they take longest), then one solve a speaker, whose name is the
folder's.  The words are those of a text file beside the video or, for the GRID corpus, of the file's name.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.data import F32
from retac_node.errors import BadInput
from retac_node.models.aligner import align
from retac_node.models.head import load_head
from retac_node.models.landmarker import Landmarker
from retac_node.models.landmarks3d import landmark_basis, suggested
from retac_node.ops.features import from_frames, heard, spoken
from retac_node.ops.solve import Observed, Solved, solve

FPS = 25.0
IDENTITY_CLIPS = 8  # sentences that the speaker's identity is solved on
TOGETHER = 8  # sentences solved at once

# The grammar of GRID (Cooke et al. 2006): command, colour, preposition, letter, digit, adverb.
GRID: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {},
    {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four"}
    | {"5": "five", "6": "six", "7": "seven", "8": "eight", "9": "nine"},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


@dataclass(frozen=True)
class Sentence:
    name: str
    heard: F32  # (N, 26) at 50 Hz
    spoken: NDArray[np.int64]  # (N,) phoneme labels
    expression: F32  # (N, E) solved, at 50 Hz
    pose: F32  # (N, 6) rotation, translation
    aperture: F32  # (N,) of the landmarks: inner lips over the distance between the eyes


def words_of(video: Path) -> str:
    """Gives the text of a video: from NAME.txt beside it, else by the GRID grammar from its name; "" when neither fits."""
    beside = video.with_suffix(".txt")
    if beside.exists():
        return beside.read_text().strip()
    name = video.stem
    if len(name) != len(GRID) or not all(
        letter in table or not table for letter, table in zip(name, GRID, strict=True)
    ):
        return ""
    return " ".join(table.get(letter, letter) for letter, table in zip(name, GRID, strict=True))


def gather(videos: list[Path], folder: Path, report: Callable[[str], None]) -> list[Path]:
    """Finds the landmarks of each video, in two threads, and keeps them in `folder`; gives those with a face throughout."""

    def one(video: Path) -> bool:
        kept = folder / f"{video.stem}.npz"
        if not kept.exists():
            points, scores, certain = watch(video)
            with open(folder / f"{video.stem}.part", "wb") as file:
                np.savez(file, points=points, blend=scores, score=certain)
            os.replace(folder / f"{video.stem}.part", kept)
            report(f"landmarks of {video.stem}")
        with np.load(kept, allow_pickle=False) as file:
            return bool((file["score"] > 0.5).all())

    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(2) as pool:
        whole = list(pool.map(one, videos))
    return [video for video, good in zip(videos, whole, strict=True) if good]


def watch(video: Path) -> tuple[F32, F32, F32]:
    """Gives landmarks (T, 478, 3), blendshape scores (T, 52) and certainty (T,) of the largest face."""
    landmarker = Landmarker(threads=1)
    faces, box = [], None
    for rgb in pictures(video):
        box = box or next(iter(landmarker.detect(rgb)), None)
        if box is None:
            return np.zeros((1, 478, 3), np.float32), np.zeros((1, 52), np.float32), np.zeros(1, np.float32)
        faces.append(landmarker.landmarks(rgb, box))
        box = faces[-1].box if faces[-1].score > 0.5 else None
    return (
        np.stack([face.points for face in faces]),
        np.stack([face.blendshapes for face in faces]),
        np.array([face.score for face in faces], np.float32),
    )


def pictures(video: Path) -> list[NDArray[np.uint8]]:
    with media.opened(video) as container:
        stream = media.video_stream(container, video)
        return [
            np.asarray(picture.to_ndarray(format="rgb24"), np.uint8) for picture in media.pictures(container, stream)
        ]


def sentences(videos: list[Path], folder: Path, report: Callable[[str], None]) -> list[Sentence]:
    """Solves one speaker's videos and aligns their words; videos whose sound does not fit their words are left out."""
    size = media.probe(videos[0])
    solved_of = lambda some, identity: solved(some, folder, size.width, size.height, identity)  # noqa: E731
    identity = solved_of(videos[:IDENTITY_CLIPS], None).identity
    found = []
    for first in range(0, len(videos), TOGETHER):
        some = videos[first : first + TOGETHER]
        motion = solved_of(some, identity)
        start = 0
        for video in some:
            frames = len(load(folder, video)[0])
            part = slice(start, start + frames)
            start += frames
            if (sentence := listened(video, folder, motion, part)) is not None:
                found.append(sentence)
        report(f"solved {min(first + TOGETHER, len(videos))} of {len(videos)}")
    return found


def solved(videos: list[Path], folder: Path, width: int, height: int, identity: F32 | None) -> Solved:
    """Solves several sentences as if they were one clip; the cuts between them cost one jump each."""
    points, scores, certain = (np.concatenate(parts) for parts in zip(*(load(folder, v) for v in videos), strict=True))
    head = load_head()
    basis = landmark_basis(head)
    prior, trust = suggested(head, scores)
    seen = Observed(points[:, basis.index], certain, prior, trust, width, height)
    return solve(basis, seen, lambda fraction: None, steps=8 if identity is None else 5, identity=identity)


def load(folder: Path, video: Path) -> tuple[F32, F32, F32]:
    with np.load(folder / f"{video.stem}.npz", allow_pickle=False) as file:
        return file["points"], file["blend"], file["score"]


def listened(video: Path, folder: Path, motion: Solved, part: slice) -> Sentence | None:
    samples, rate = media.read_audio(video)
    try:
        phonemes = align(samples, rate, words_of(video))[1]
    except BadInput:
        return None
    sound = heard(samples, rate)
    points = load(folder, video)[0]
    eyes = np.linalg.norm(points[:, 33, :2] - points[:, 263, :2], axis=1)
    aperture = np.linalg.norm(points[:, 13, :2] - points[:, 14, :2], axis=1) / eyes
    steps = min(len(sound), round(len(points) / FPS * 50))
    pose = np.concatenate([motion.rotation[part], motion.translation[part]], 1)
    return Sentence(
        name=video.stem,
        heard=sound[:steps],
        spoken=spoken(phonemes, steps),
        expression=from_frames(motion.expression[part], FPS, steps),
        pose=from_frames(pose, FPS, steps),
        aperture=from_frames(aperture[:, None], FPS, steps)[:, 0],
    )
