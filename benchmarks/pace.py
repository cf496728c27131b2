"""What render and composite cost: python benchmarks/pace.py CLIP [--frames N]

The clip's own mouths, shifted by a second and a half, are drawn over its frames without training: an ordinary dub.  Seconds on
the clock and of the processor, as a whole and by part; then the same with half the frames and with the head turned.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event, Lock
from time import perf_counter, process_time, thread_time
from types import ModuleType
from typing import Any

import numpy as np
from retac_shared.options import AdaptOptions, CompositeOptions, IngestOptions, JobSpec, RenderOptions

from retac_node import media, recipe
from retac_node.data import Adapted, Clip, FaceTrack, Motion
from retac_node.desk import Desk
from retac_node.engine.stage import Context
from retac_node.models import memory, puppet
from retac_node.stages import composite, render

CHUNK = 32  # as a job is cut
TURN = 0.1  # radians
PARTS: tuple[tuple[ModuleType, str], ...] = (
    (media, "frames_at"),
    (memory, "source_places"),
    (memory, "asked_places"),
    (memory, "hidden_at"),
    (memory, "skin"),
    (memory, "person"),
    (puppet, "one_frame"),
    (puppet, "carrying"),
    (puppet, "sample"),
    (puppet, "own_mouth"),
    (puppet, "gain"),
    (puppet, "painted"),
    (puppet, "apart"),
    (composite, "on_plate"),
    (composite, "with_grain"),
    (composite, "laid"),
)  # a part within another counts in both


@dataclass
class Clock:
    """Adds up the seconds that threads spend in named parts."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    lock: Lock = field(default_factory=Lock)

    def timed(self, name: str, run: Callable[..., Any]) -> Callable[..., Any]:
        def inside(*arguments: Any, **named: Any) -> Any:
            started = thread_time()
            try:
                return run(*arguments, **named)
            finally:
                with self.lock:
                    self.seconds[name] += thread_time() - started

        return inside


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Times the parts for as long as it lasts."""
    before = [(module, name, getattr(module, name)) for module, name in PARTS if hasattr(module, name)]
    for module, name, run in before:
        setattr(module, name, clock.timed(name, run))
    try:
        yield
    finally:
        for module, name, run in before:
            setattr(module, name, run)


@dataclass(frozen=True)
class Paced:
    wall: float  # seconds a frame
    work: float  # processor seconds a frame
    render: float  # seconds a frame on the clock


def run(ctx: Context, clip: Clip, track: FaceTrack, adapted: Adapted, motion: Motion) -> Paced:
    count = len(motion.source_frame)
    started, worked, drawing = perf_counter(), process_time(), 0.0
    for first in range(0, count, CHUNK):
        span = (first, min(first + CHUNK, count))
        now = perf_counter()
        frames = render.run(ctx, RenderOptions(), span, clip, track, adapted, motion)
        drawing += perf_counter() - now
        composite.run(ctx, CompositeOptions(), span, clip, track, adapted, motion, frames)
    return Paced((perf_counter() - started) / count, (process_time() - worked) / count, drawing / count)


def dubbed(clip: Clip, track: FaceTrack, count: int) -> Motion:
    frames = np.arange(min(count, len(track.confidence)), dtype=np.int32)
    mouths = (frames + round(1.5 * float(clip.fps))) % len(track.confidence)
    pose = track.rotation[frames], track.translation[frames]
    return Motion(float(clip.fps), track.expression[mouths], *pose, frames, ())


def first(motion: Motion, count: int) -> Motion:
    return replace(
        motion,
        expression=motion.expression[:count],
        rotation=motion.rotation[:count],
        translation=motion.translation[:count],
        source_frame=motion.source_frame[:count],
    )


def measure(ctx: Context, clip: Clip, track: FaceTrack, adapted: Adapted, count: int) -> None:
    motion = dubbed(clip, track, count)
    run(ctx, clip, track, adapted, first(motion, 4))  # compiles what is compiled
    clock = Clock()
    with watched(clock):
        whole = run(ctx, clip, track, adapted, motion)
    half = run(ctx, clip, track, adapted, first(motion, len(motion.source_frame) // 2))
    turned = first(replace(motion, rotation=motion.rotation + np.float32(TURN)), 8)
    beside = run(ctx, clip, track, adapted, turned)
    frames = len(motion.source_frame)
    print(f"{clip.name}, {clip.width} x {clip.height}, window {track.crop_size}, {frames} frames")
    print("\n| run | frames/s | ms a frame | of it render | processor ms a frame | against the first |")
    print("|---|---:|---:|---:|---:|---:|")
    for name, paced in (("an ordinary dub", whole), ("half as many frames", half), ("head turned", beside)):
        print(
            f"| {name} | {1 / paced.wall:.1f} | {1000 * paced.wall:.1f} | {1000 * paced.render:.1f} "
            f"| {1000 * paced.work:.1f} | {paced.work / whole.work:.2f} |"
        )
    print("\n| part | processor ms a frame | share |\n|---|---:|---:|")
    for name, seconds in sorted(clock.seconds.items(), key=lambda item: -item[1]):
        print(f"| {name} | {1000 * seconds / frames:.1f} | {seconds / frames / whole.work:.0%} |")


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/pace.py", description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--work", type=Path, help="folder that keeps finished tasks (default: one that is thrown away)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        desk = Desk(given.work or Path(name) / "work", "auto", lambda event: None, Event())
        digest = recipe.digest(given.clip)
        sources = {digest: given.clip.absolute()}
        spec = JobSpec(IngestOptions(digest), adapt=AdaptOptions(train_minutes=0.0))
        found = desk.run(spec, sources, ("ingest", "track", "adapt"))
        ctx = Context(Path(name), "cpu", sources)
        measure(ctx, found["ingest"], found["track"], found["adapt"], given.frames)
    return 0


if __name__ == "__main__":
    sys.exit(main())
