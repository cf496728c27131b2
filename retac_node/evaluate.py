"""`retac evaluate`: learns a person from the head of a clip, re-drives the rest by its own sound, and measures.

Never trains or draws: the stages do, by the same job that dubs.  The measures are ops/metrics.py's.
"""

import json
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any, Literal

import soundfile
from retac_shared.options import (
    AdaptOptions,
    EncodeOptions,
    IngestOptions,
    JobSpec,
    MotionOptions,
    TrackOptions,
    VoiceOptions,
)

from retac_node import media, recipe, results
from retac_node.data import Clip
from retac_node.errors import BadInput
from retac_node.judge import Figures, judge
from retac_node.ops import sound

LEAST_LEARNT, LEAST_JUDGED = 2.0, 1.0  # seconds
SOUND_RATE = 48_000  # Hz, of the held-out sound as it is handed to the voice stage
CRF = 12  # as the published figures were measured
WANTED = ("track", "adapt", "motion", "composite", "encode")

RunJob = Callable[[JobSpec, Mapping[str, Path], tuple[str, ...]], dict[str, Any]]

NOTES = (
    "Pixels outside the matte are the plate's own, so the face's figures flatter; those of mouth and matte do not.",
    "Head pose, eyes and brows come from the true plate; only what speech moves was predicted, from the sound alone.",
    "The solve saw the landmarks of the whole clip, the judged frames included; what was learnt did not.",
    "The figures are of the mp4 as it was written, the true frames as they decode; each is the mean over frames.",
    "seconds is this run's; what an earlier run left in the cache took none of it.",
)


@dataclass(frozen=True)
class EvaluateOptions:
    quality: Literal["draft", "final"] = "draft"
    train_minutes: float | None = None
    seed: int = 0
    subject: int | None = None
    lens: float | None = None


@dataclass(frozen=True)
class Measured:
    clip: Clip
    first: int  # frame of the clip from which on it was judged
    figures: Figures
    learnt: dict[str, float]  # what the training reached, by name
    video: Path  # in the cache
    seconds: float


@dataclass(frozen=True)
class Evaluated:
    """What lies where."""

    video: Path
    metrics: Path


def evaluate(path: Path, train_end: float, out: Path, options: EvaluateOptions, run_job: RunJob) -> Evaluated:
    """Adapts on [0, train_end) seconds, re-drives the rest, and writes reenacted.mp4 and metrics.json into `out`.

    Raises BadInput, OutOfSpace, and what the stages raise; then nothing is written.
    """
    results.check_folder(out)
    measured = measure(path, train_end, options, run_job)
    with results.asides(out) as part:
        copyfile(measured.video, part / "reenacted.mp4")
        (part / "metrics.json").write_text(json.dumps(facts(measured), indent=2, allow_nan=False) + "\n")
    return Evaluated(out / "reenacted.mp4", out / "metrics.json")


def measure(path: Path, train_end: float, options: EvaluateOptions, run_job: RunJob) -> Measured:
    """Re-drives the clip from `train_end` seconds on and compares it with itself.

    `run_job` gives the wanted stages' results for a spec and its sources, sha256 -> file.  Raises BadInput where too
    little is left to learn from, to judge or to hear.
    """
    began = time.monotonic()
    digest = recipe.digest(path)
    sources = {digest: path.absolute()}
    clip = run_job(JobSpec(IngestOptions(digest)), sources, ("ingest",))["ingest"]
    first = first_judged(clip, train_end)
    with tempfile.TemporaryDirectory() as folder:
        line = Path(folder) / f"{path.stem}_from_{first}.wav"
        write_held_out_sound(line, clip, first)
        spoken = recipe.digest(line)
        spec = spec_of(digest, spoken, clip, first, options)
        made = run_job(spec, {**sources, spoken: line}, WANTED)
    figures = judge(path, first, clip, made["track"], made["motion"], made["composite"], made["encode"])
    video = Path(made["encode"].folder) / made["encode"].mp4
    return Measured(clip, first, figures, made["adapt"].notes, video, time.monotonic() - began)


def first_judged(clip: Clip, train_end: float) -> int:
    """Gives the first frame that is not learnt from.  Raises BadInput where the clip cannot be split there."""
    fps, frames = float(clip.fps), len(clip.times)
    length = f"{clip.name} lasts {frames / fps:.2f} s"
    if not 0 < train_end < frames / fps:
        raise BadInput(f"--train-end {train_end:g} s is not inside the clip; {length}: choose a time within it")
    first = round(train_end * fps)
    if first / fps < LEAST_LEARNT - 1e-6:
        raise BadInput(
            f"--train-end {train_end:g} s leaves less than {LEAST_LEARNT:g} s to learn from; choose a later time"
        )
    if (frames - first) / fps < LEAST_JUDGED - 1e-6:
        raise BadInput(
            f"--train-end {train_end:g} s leaves less than {LEAST_JUDGED:g} s to judge; {length}: choose an earlier one"
        )
    return first


def write_held_out_sound(target: Path, clip: Clip, first: int) -> None:
    """Writes the clip's own sound from frame `first` on, never longer than its picture, and the same bytes each time.

    Raises BadInput where there is nothing to be driven by.
    """
    start, stop = (frame / clip.fps for frame in (first, len(clip.times)))
    held = clip.audio[round(start * clip.audio_rate) :]
    if len(held) == 0 or not sound.speaking(held, clip.audio_rate).any():
        raise BadInput(
            f"{clip.name} has no sound after {float(start):.2f} s to drive the mouth by; give a clip with speech there"
        )
    samples = media.resampled(held, clip.audio_rate, SOUND_RATE)[: math.floor((stop - start) * SOUND_RATE)]
    soundfile.write(target, samples, SOUND_RATE, subtype="PCM_24")


def spec_of(digest: str, spoken: str, clip: Clip, first: int, options: EvaluateOptions) -> JobSpec:
    """Asks for the judged frames, each over its own plate, said by their own sound.  Raises BadInput."""
    left = float((len(clip.times) - first) / clip.fps)  # seconds
    learnt = float(first / clip.fps)
    try:
        return JobSpec(
            IngestOptions(digest),
            TrackOptions(options.subject, lens=options.lens),
            VoiceOptions(audio=spoken, slot_seconds=left),
            AdaptOptions(options.quality, options.train_minutes, learn_seconds=learnt, seed=options.seed),
            MotionOptions(first_frame=first, seed=options.seed),
            encode=EncodeOptions(frames=True, crf=CRF),
        )
    except ValueError as error:
        raise BadInput(str(error)) from error


def facts(measured: Measured) -> dict[str, Any]:
    """Gives the tree of metrics.json; what could not be measured is null."""
    clip = measured.clip
    tree = {
        "clip": clip.name,
        "sha256": clip.sha256,
        "width": clip.width,
        "height": clip.height,
        "fps": float(clip.fps),
        "learnt_seconds": float(measured.first / clip.fps),
        "judged_from_frame": measured.first,
        **asdict(measured.figures),
        "learnt": measured.learnt,
        "seconds": round(measured.seconds, 2),
        "notes": list(NOTES),
    }
    return dict(without_nan(tree))


def without_nan(tree: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield name, dict(without_nan(value))
        else:
            yield name, None if isinstance(value, float) and not math.isfinite(value) else value
