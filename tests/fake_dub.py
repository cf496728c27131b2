"""The table of stages with all but ingest and encode replaced by a few lines each, for tests of the command line.

Run as a program it is the command line over them; the fake `adapt` sleeps for FAKE_ADAPT seconds.
"""

import dataclasses
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from retac_shared.motion import load_motion

from retac_node import cli, desk, recipe, speak
from retac_node.data import Adapted, FaceTrack, Frames, Motion, Patches, Report, Speech, Timed
from retac_node.stages import STAGES
from tests.clips import clicks, make_clip, numbered

UNITS = tuple(f"unit{n:02d}" for n in range(64))
SPOKEN = 0.8  # seconds that any line takes, where there is no slot
RATE = 24000  # Hz


def track(ctx: Any, options: Any, clip: Any) -> FaceTrack:
    return face_track(len(clip.times), clip.width, clip.height)


def face_track(frames: int, width: int, height: int) -> FaceTrack:
    random = np.random.default_rng(0)
    return FaceTrack(
        identity=random.normal(0, 0.5, 80).astype(np.float32),
        albedo=random.normal(0, 0.5, 80).astype(np.float32),
        expression=random.uniform(0, 0.5, (frames, 64)).astype(np.float32),
        rotation=random.normal(0, 0.2, (frames, 3)).astype(np.float32),
        translation=np.tile(np.array([0.01, -0.02, 0.7], np.float32), (frames, 1)),
        light=np.ones((frames, 9, 3), np.float32),
        focal=1.2 * width,
        crop_from_frame=np.tile(np.eye(2, 3, dtype=np.float32), (frames, 1, 1)),
        crop_size=16,
        landmarks=np.full((frames, 478, 3), np.nan, np.float32),
        confidence=np.ones(frames, np.float32),
        width=width,
        height=height,
    )


def voice(ctx: Any, options: Any, clip: Any) -> Speech:
    seconds = SPOKEN if options.slot_seconds is None else options.slot_seconds
    words = (Timed("hello", 0.1, 0.4), Timed("there", 0.4, 0.7))
    return Speech(
        np.zeros(round(seconds * RATE), np.float32), RATE, words, (Timed("h", 0.1, 0.2),), seconds, 0.9, False
    )


def adapt(ctx: Any, options: Any, clip: Any, track: Any) -> Adapted:
    ctx.warn("the light changes")
    for _ in ctx.track(range(20), label="learning"):
        time.sleep(float(os.environ.get("FAKE_ADAPT", 0)) / 20)
    return Adapted({}, str(ctx.folder), {"steps": options.minutes})


def motion(ctx: Any, options: Any, clip: Any, speech: Any, track: Any, adapted: Any) -> Motion:
    if options.edited:
        return load_motion(ctx.source(options.edited))
    frames = round(speech.seconds * float(clip.fps))
    source = np.arange(options.first_frame, options.first_frame + frames, dtype=np.int32)
    return Motion(
        float(clip.fps), track.expression[source], track.rotation[source], track.translation[source], source, UNITS
    )


def render(ctx: Any, options: Any, span: tuple[int, int], *inputs: Any) -> Frames:
    count = span[1] - span[0]
    shades = {field.name: np.zeros((count, 1, 16, 16), np.uint8) for field in dataclasses.fields(Frames)[2:]}
    return Frames(span[0], **{**shades, "rgb": np.zeros((count, 3, 16, 16), np.uint8)})


def refine(ctx: Any, options: Any, span: tuple[int, int], *inputs: Any) -> Frames:
    return inputs[-1]


def composite(ctx: Any, options: Any, span: tuple[int, int], *inputs: Any) -> Patches:
    """A red square of 16 pixels in the lower left corner, below the bars that number the frames."""
    count = span[1] - span[0]
    corner = np.tile(np.array([0, 80], np.int32), (count, 1))
    rgb = np.zeros((count, 3, 16, 16), np.uint8)
    rgb[:, 0] = 255
    return Patches(span[0], corner, rgb, np.full((count, 1, 16, 16), 255, np.uint8))


def report(ctx: Any, options: Any, *inputs: Any) -> Report:
    (ctx.folder / "report.html").write_text(f"{options.video_name} <!-- warnings --><!-- timings -->")
    return Report(str(ctx.folder), "report.html")


FAKES = (track, voice, adapt, motion, render, refine, composite, report)
TABLE = {name: dataclasses.replace(row, weights=()) for name, row in STAGES.items()} | {
    fake.__name__: dataclasses.replace(STAGES[fake.__name__], run=fake, weights=()) for fake in FAKES
}


def use(monkeypatch: Any, **runs: Any) -> None:
    """Puts the fakes in the place of the stages; `runs` replaces some of them."""
    table = TABLE | {name: dataclasses.replace(TABLE[name], run=run) for name, run in runs.items()}
    monkeypatch.setattr(desk, "STAGES", table)
    monkeypatch.setattr(speak, "STAGES", table)


def small_clip(path: Path, seconds: float = 3.0, sound: bool = True) -> Path:
    """160 x 96 pixels at 25 frames a second."""
    pictures = map(numbered, range(round(25 * seconds)))
    return make_clip(path, pictures, sound=clicks(seconds, (1.0,)) if sound else None)


if __name__ == "__main__":
    desk.STAGES = TABLE
    recipe.CHUNK = 8
    sys.exit(cli.main())
