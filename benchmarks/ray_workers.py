"""What a second Ray worker gains over one, stage by stage, and whether the bytes are those of this process alone:
python benchmarks/ray_workers.py CLIP [--work DIR]

The frames of one dub (no training, a line of some 20 s, the clip back and forth) are made by this process in two threads, by
one worker and by two, each from the same solve and voice.  A stage's time is from its first chunk's beginning to its last
one's end; the chunks of all stages go side by side.  "busy" is the share of that time in which the workers were at a
chunk.  What comes once is told apart: "ready" is how long a new cluster takes to start its workers, load what they draw
with and make the first chunk on each.
"""

import argparse
import hashlib
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event as Flag
from time import monotonic

from retac_shared.options import AdaptOptions, IngestOptions, JobSpec, VoiceOptions

from retac_node import config, recipe
from retac_node.desk import Desk
from retac_node.engine.events import Event, Finished, Started
from retac_node.engine.make import LOCAL, Executor
from retac_node.executors import TABLE
from retac_node.farm.ray import connected

LINE = (
    "The weather will turn by the evening, so bring a warm coat and a pair of good boots, and tell the others that we "
    "open the doors at nine on Friday, and that the first hundred guests will get a seat by the window for nothing. "
    "If the river rises again, leave the van on the hill, walk the last mile over the bridge, and call my brother from "
    "the farm, because nobody will be at the house before noon."
)
FRAMES = ("render", "refine", "composite")
WARM = "render"  # its first chunk on each worker pays for loading the models


@dataclass
class Pace:
    """When each task of the frame stages began and ended, and for how long workers were at them."""

    asked: float = field(default_factory=monotonic)
    worked: float = 0.0  # seconds
    began: dict[tuple[str, object], float] = field(default_factory=dict)
    ended: dict[tuple[str, object], float] = field(default_factory=dict)

    def hear(self, event: Event) -> None:
        if isinstance(event, Started | Finished) and event.stage in FRAMES:
            times = self.began if isinstance(event, Started) else self.ended
            times[event.stage, event.frames] = monotonic()
            self.worked += event.seconds if isinstance(event, Finished) else 0.0

    def seconds(self, stages: tuple[str, ...] = FRAMES) -> float:
        begins = [time for (stage, _), time in self.began.items() if stage in stages]
        return max(time for (stage, _), time in self.ended.items() if stage in stages) - min(begins)

    def ready(self, count: int) -> float:
        """Gives the seconds until as many chunks were made as there are workers."""
        return sorted(self.ended.values())[count - 1] - self.asked


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/ray_workers.py", description=__doc__)
    parser.add_argument("clip", type=Path, help="a few seconds of a person talking")
    parser.add_argument(
        "--work", type=Path, help="folder that keeps solve and voice (default: one that is thrown away)"
    )
    parser.add_argument(
        "--rounds", type=int, default=2, help="of one worker, two workers; the first warms the file cache"
    )
    asked = parser.parse_args()
    digest = recipe.digest(asked.clip)
    spec = JobSpec(IngestOptions(digest), voice=VoiceOptions(LINE), adapt=AdaptOptions(train_minutes=0.0))
    with tempfile.TemporaryDirectory() as name:
        work = asked.work or Path(name)
        measure(spec, {digest: asked.clip.absolute()}, work, asked.rounds)
    return 0


def measure(spec: JobSpec, sources: dict[str, Path], work: Path, rounds: int) -> None:
    desk = Desk(work, "cpu", lambda event: None, Flag())
    length = len(desk.run(spec, sources, ("motion",))["motion"].source_frame)
    print(f"{length} frames, {os.cpu_count()} processors\n")
    print("| made by | seconds | render | refine | composite | busy | ready | load | bytes |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---|")

    def timed(name: str, executor: Executor, count: int, alone: str) -> Pace:
        ready = frames(spec, sources, work, executor, warm=True).ready(count)
        pace = frames(spec, sources, work, executor)
        print(row(name, pace, count, ready, contents(work), alone), flush=True)
        return pace

    timed("this process", LOCAL, 1, "")
    alone, ratios = contents(work), []
    for _ in range(rounds):
        paces = []
        for count in (1, 2):
            with connected(config.load().home, "", "cpu", TABLE, cpus=count) as executor:
                paces.append(timed(f"{count} worker{'s'[: count - 1]}", executor, count, alone))
        ratios.append(paces[0].seconds() / paces[1].seconds())
    print(f"\nTwo workers make the frames {', '.join(f'{ratio:.2f}' for ratio in ratios)} times as fast as one.")


def frames(spec: JobSpec, sources: dict[str, Path], work: Path, executor: Executor, warm: bool = False) -> Pace:
    """Makes the frames anew; `warm` only those of one stage, so that workers have their models."""
    for path in frame_entries(work):
        shutil.rmtree(path)
    pace = Pace()
    desk = Desk(work, "cpu", pace.hear, Flag(), executor=executor)
    desk.run(spec, sources, (WARM,) if warm else ("composite",))
    return pace


def frame_entries(work: Path) -> list[Path]:
    """Lists the entries that hold chunks of frames."""
    return [path for path in (work / "done").iterdir() if '"start"' in (path / "value.json").read_text()]


def contents(work: Path) -> str:
    """Gives a hash of all chunks."""
    total = hashlib.sha256()
    files = (file for entry in frame_entries(work) for file in entry.rglob("*") if file.is_file())
    for path in sorted(file for file in files if file.name != "entry.json"):  # which says how long it took
        total.update(path.relative_to(work).as_posix().encode() + path.read_bytes())
    return total.hexdigest()[:12]


def row(name: str, pace: Pace, workers: int, ready: float, digest: str, expected: str) -> str:
    parts = " | ".join(f"{seconds:.1f}" for seconds in (pace.seconds(), *(pace.seconds((stage,)) for stage in FRAMES)))
    busy = f"{pace.worked / pace.seconds() / workers:.0%}"
    same = digest if not expected else "the same" if digest == expected else f"NOT the same: {digest}"
    return f"| {name} | {parts} | {busy} | {ready:.1f} | {os.getloadavg()[0]:.1f} | {same} |"


if __name__ == "__main__":
    sys.exit(main())
