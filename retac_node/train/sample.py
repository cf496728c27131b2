"""Makes the embedded sample: a talking clip of nobody, and everything that is true about it.

    python -m retac_node.train.sample -o out/sample.mp4 [--seconds 8] [--size 512] [--fps 25] [--seed 0]

The project's head model, painted by rule, says its lines in the embedded voice.  Beside OUT.mp4 lies OUT.truth.npz
(`Truth`).  The same arguments give the same bytes.  Never uses a recording of a person.
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.data import F32, U8, Timed
from retac_node.errors import BadInput
from retac_node.models import kokoro
from retac_node.models.head import Head, landmarks, load_head, posed, vertices
from retac_node.ops.geometry import project
from retac_node.train.performance import Performance, perform, say
from retac_node.train.portrait import Actor, cast, paint_room, shoot

FOCAL = 2.35  # in widths of the picture
PLACE = np.array([0.0, -0.026, 0.9], np.float32)  # of the middle between the ears, metres, camera space
SHORTEST = 2.4  # seconds, for the first of the lines
BATCH = 16  # pictures drawn before they are encoded


@dataclass(frozen=True)
class Truth:
    """What is true of the clip, as in data.FaceTrack; all plain arrays."""

    identity: F32  # (S,)
    albedo: F32  # (A,) the model's share of the colours; paint is on top
    expression: F32  # (T, E)
    rotation: F32  # (T, 3)
    translation: F32  # (T, 3)
    light: F32  # (T, 9, 3)
    focal: NDArray[np.float64]  # () pixels
    landmarks: F32  # (T, 478, 2) pixels
    fps: NDArray[np.int64]  # (2,) numerator, denominator
    size: NDArray[np.int64]  # (2,) width, height
    expression_names: NDArray[np.str_]  # (E,)
    words: NDArray[np.str_]  # (words,)
    word_times: NDArray[np.float64]  # (words, 2) start and end, seconds
    phonemes: NDArray[np.str_]  # (phonemes,) of ops/phonemes.py
    phoneme_times: NDArray[np.float64]  # (phonemes, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the mp4 to write")
    parser.add_argument("--seconds", type=float, default=8.0, help="length of the clip (default 8)")
    parser.add_argument("--size", type=int, default=512, help="width and height in pixels (default 512)")
    parser.add_argument("--fps", type=Fraction, default=Fraction(25), help="frames a second, such as 25 or 30000/1001")
    parser.add_argument("--seed", type=int, default=0, help="another number gives another person and performance")
    options = parser.parse_args()
    try:
        make(options.output, options.seconds, options.size, options.fps, options.seed)
    except BadInput as error:
        parser.error(str(error))


def make(output: Path, seconds: float, size: int, fps: Fraction, seed: int) -> Truth:
    """Writes the clip of (size, size) pictures and its truth; both appear whole or not at all.

    Raises BadInput for a length, size or rate that cannot be made.
    """
    check(seconds, size, fps)
    head = load_head()
    line = say(seconds, seed)
    times = (np.arange(round(seconds * fps)) + 0.5) / float(fps)  # (T,) the middle of each frame
    act = perform(head, line, times, PLACE, seed)
    actor = cast(head, texture_side(size), seed)
    truth = truth_of(head, actor, act, line.words, line.phonemes, size, fps)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.stem}.part")
    try:
        pictures = shots(head, actor, act, size, seed)
        media.write_video(partial, pictures, fps, size, size, line.samples, kokoro.RATE)
        save_truth(truth_path(output), truth)
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)
    return truth


def check(seconds: float, size: int, fps: Fraction) -> None:
    if not SHORTEST <= seconds <= 600:
        raise BadInput(f"--seconds is {seconds:g}; give a length from {SHORTEST} to 600")
    if not 128 <= size <= 2048 or size % 2:
        raise BadInput(f"--size is {size}; give an even number of pixels from 128 to 2048")
    if not 10 <= fps <= 120:
        raise BadInput(f"--fps is {fps}; give a rate from 10 to 120")


def texture_side(size: int) -> int:
    """Gives a power of two, so that a texel is never larger than a pixel of the face."""
    return int(np.clip(1 << (4 * size - 1).bit_length(), 512, 4096))


def shots(head: Head, actor: Actor, act: Performance, size: int, seed: int) -> Iterator[U8]:
    """Draws all pictures in order, a batch at a time on all cores."""
    room = paint_room(size, seed)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(act.expression), BATCH):
            batch = range(start, min(start + BATCH, len(act.expression)))
            yield from pool.map(lambda t: shoot(head, actor, act, t, FOCAL * size, room, seed), batch)


def truth_of(
    head: Head,
    actor: Actor,
    act: Performance,
    words: tuple[Timed, ...],
    phonemes: tuple[Timed, ...],
    size: int,
    fps: Fraction,
) -> Truth:
    shape = vertices(head, actor.identity, act.expression)  # (T, V, 3)
    points = posed(landmarks(head, shape), act.rotation, act.translation)  # (T, 478, 3)
    return Truth(
        identity=actor.identity,
        albedo=actor.albedo,
        expression=act.expression,
        rotation=act.rotation,
        translation=act.translation,
        light=act.light,
        focal=np.array(FOCAL * size),
        landmarks=project(points, FOCAL * size, size, size)[..., :2],
        fps=np.array([fps.numerator, fps.denominator]),
        size=np.array([size, size]),
        expression_names=np.array(head.expression_names),
        words=np.array([word.label for word in words]),
        word_times=np.array([(word.start, word.end) for word in words]),
        phonemes=np.array([phoneme.label for phoneme in phonemes]),
        phoneme_times=np.array([(phoneme.start, phoneme.end) for phoneme in phonemes]),
    )


def truth_path(clip: Path) -> Path:
    """a/sample.mp4 -> a/sample.truth.npz"""
    return clip.with_suffix(".truth.npz")


def save_truth(path: Path, truth: Truth) -> None:
    partial = path.with_name(f".{path.name}.part")
    with partial.open("wb") as file:
        np.savez_compressed(file, **vars(truth))
    partial.replace(path)


def load_truth(path: Path) -> Truth:
    with np.load(path, allow_pickle=False) as file:
        arrays: dict[str, Any] = {field.name: file[field.name] for field in fields(Truth)}
    return Truth(**arrays)


if __name__ == "__main__":
    main()
