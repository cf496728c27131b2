"""How long `retac dub` takes, cold and on the next line, and the memory it peaks at: python benchmarks/dub.py CLIP

Each run is a process of its own.  Never asserts a time: the tables give what was measured and its ratio to
the first run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from time import monotonic

import numpy as np

from retac_node import media
from retac_node.data import Clip

FIRST = "The weather will turn by the evening, so bring a warm coat and a pair of good boots."
NEXT = "We open the doors at nine on Friday, and the first hundred guests will get a free seat."
LONG_SECONDS = 60


@dataclass(frozen=True)
class Run:
    name: str
    seconds: float
    peak: int  # bytes, of the process
    stages: dict[str, float] = field(default_factory=dict)  # seconds of the tasks that ran


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/dub.py", description=__doc__)
    parser.add_argument("clip", type=Path, help="about 8 s of a person talking")
    parser.add_argument("--quality", choices=("draft", "final"), default="draft")
    parser.add_argument("--skip-long", action="store_true", help=f"leave out the clip looped to {LONG_SECONDS} s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [
            dub("cold", asked.clip, FIRST, asked.quality, folder),
            dub("the next line", asked.clip, NEXT, asked.quality, folder),
            dub("the same again", asked.clip, NEXT, asked.quality, folder),
        ]
        if not asked.skip_long:
            long = looped(asked.clip, LONG_SECONDS, folder / "long.mp4")
            runs.append(dub(f"cold, {LONG_SECONDS} s clip", long, FIRST, asked.quality, folder))
    print("\n".join([*table(runs), "", *stage_table(runs)]))
    return 0


def dub(name: str, clip: Path, line: str, quality: str, folder: Path) -> Run:
    """Runs the command line in a child process, and reads its peak of memory when it has ended."""
    command = [sys.executable, "-m", "retac_node", "dub", str(clip), "--text", line, "--quality", quality, "--json"]
    command += ["-o", str(folder / "out.mp4"), "--work", str(folder / "work")]
    print(f"running: {name}", file=sys.stderr)
    began = monotonic()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    stages: dict[str, float] = defaultdict(float)
    for text in child.stdout:
        event = json.loads(text)
        if event["event"] == "finished" and not event["cached"]:
            stages[event["stage"]] += event["seconds"]
    _, status, used = os.wait4(child.pid, 0)
    seconds, child.returncode = monotonic() - began, os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"retac dub ended with {child.returncode}; see above")
    return Run(name, seconds, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024), dict(stages))


def looped(path: Path, seconds: int, target: Path) -> Path:
    """Writes the clip forward and backward, again and again, with its sound repeated, until it is `seconds` long."""
    spans = [start for start, _ in media.picture_times(path)]
    sound, rate = media.read_channels(path)
    facts = media.probe(path)
    fps = facts.rates[0] if facts.rates else Fraction(25)
    clip = Clip("", path.name, fps, np.array(spans), facts.width, facts.height, sound[:, 0], rate)
    there_and_back = [*range(len(spans)), *range(len(spans) - 2, 0, -1)]
    wanted = list(islice(cycle(there_and_back), round(seconds * fps)))
    tiled = np.tile(sound, (1 + round(seconds * rate) // max(len(sound), 1), 1))
    media.write_video(target, media.frames_at(path, clip, wanted), fps, facts.width, facts.height, tiled, rate)
    return target


def table(runs: list[Run]) -> list[str]:
    base = runs[0]
    rows = ["| run | seconds | of cold | peak memory, MB | of cold |", "|---|---:|---:|---:|---:|"]
    for run in runs:
        time = f"{run.seconds:.1f} | {run.seconds / base.seconds:.2f}"
        rows.append(f"| {run.name} | {time} | {run.peak / 1e6:.0f} | {run.peak / base.peak:.2f} |")
    return rows


def stage_table(runs: list[Run]) -> list[str]:
    """Gives the seconds of each stage that ran, a column a run."""
    names = list(dict.fromkeys(stage for run in runs for stage in run.stages))
    rows = [f"| stage, seconds | {' | '.join(run.name for run in runs)} |", f"|---|{'---:|' * len(runs)}"]
    for name in names:
        cells = (f"{run.stages[name]:.1f}" if name in run.stages else "" for run in runs)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return rows


if __name__ == "__main__":
    sys.exit(main())
