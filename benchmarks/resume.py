"""Kills `retac dub` in the middle of training, runs it again, then changes a late option: python benchmarks/resume.py CLIP

Shows what went on and what ran again: where the training took up, and the task list of each run, stage by stage.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import child

from retac_node.stages import STAGES

LINE = "We open the bakery before five, and everybody may have some coffee."
TRAINING = "learning the mouth"  # what the adapt stage says of itself while it trains
FROM = 0.4  # share of the training from which on it is killed, once there is a checkpoint


@dataclass(frozen=True)
class Run:
    name: str
    ended: child.Ended
    training: tuple[float, ...]  # shares of the training as they were told


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/resume.py", description=__doc__)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--train-minutes", type=float, default=1.0, help="a checkpoint is written every 10 s of it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = three_runs(asked.clip, folder, ["--train-minutes", str(asked.train_minutes)])
    print("\n".join([*training_table(runs), "", *task_table(runs)]))
    wrong = list(complaints(*runs))
    print(
        "\n" + ("\n".join(wrong) or "The training went on from its checkpoint; the late option ran late stages only.")
    )
    return int(bool(wrong))


def three_runs(clip: Path, folder: Path, more: Sequence[str]) -> list[Run]:
    work, out = folder / "work", folder / "out.mp4"

    def far_enough(event: child.Told) -> bool:
        checkpoint = any((work / "work").glob("*/checkpoint.safetensors"))
        return checkpoint and is_training(event) and event["fraction"] >= FROM

    killed = child.dub(clip, LINE, out, work, *more, kill=far_enough)
    left = [path.name for path in folder.iterdir() if path != work]
    print(f"killed after {killed.seconds:.0f} s; beside the cache it left: {', '.join(left) or 'nothing'}\n")
    again = child.dub(clip, LINE, out, work, *more)
    late = child.dub(clip, LINE, out, work, *more, "--consent", "X")
    return [run(*pair) for pair in (("killed", killed), ("again", again), ("--consent X", late))]


def run(name: str, ended: child.Ended) -> Run:
    return Run(name, ended, tuple(event["fraction"] for event in ended.told("progress") if is_training(event)))


def is_training(event: child.Told) -> bool:
    return event["event"] == "progress" and event["stage"] == "adapt" and event["label"] == TRAINING


def training_table(runs: Sequence[Run]) -> list[str]:
    rows = ["| run | exit | seconds | training from | to | adapt, s |", "|---|---:|---:|---:|---:|---:|"]
    for item in runs:
        span = f"{item.training[0]:.0%} | {item.training[-1]:.0%}" if item.training else " | "
        adapt = item.ended.stages().get("adapt")
        taken = "" if adapt is None else f"{adapt:.1f}"
        rows.append(f"| {item.name} | {item.ended.code} | {item.ended.seconds:.1f} | {span} | {taken} |")
    return rows


def task_table(runs: Sequence[Run]) -> list[str]:
    """Gives for each stage how many of its tasks had to run, as the task list of each run says."""
    rows = [f"| tasks to run | {' | '.join(item.name for item in runs)} |", f"|---|{'---:|' * len(runs)}"]
    for stage in STAGES:
        cells = []
        for item in runs:
            cached = [task["cached"] for task in item.ended.tasks() if task["stage"] == stage]
            cells.append(f"{cached.count(False)} of {len(cached)}" if cached else "not planned yet")
        rows.append(f"| {stage} | {' | '.join(cells)} |")
    return rows


def complaints(killed: Run, again: Run, late: Run) -> list[str]:
    late_stages = child.stages([task for task in late.ended.tasks() if not task["cached"]])
    ran = list(again.ended.stages())
    checks = {
        "the first run ended before it was killed": killed.ended.code < 0,
        "the second run did not end well": again.ended.code == 0,
        "the training began anew": bool(again.training) and again.training[0] > 0,
        "the clip was solved again": "track" not in ran,
        "the third run did not end well": late.ended.code == 0,
        f"the late option ran {', '.join(sorted(late_stages))}": late_stages <= {"encode", "report"},
    }
    return [sentence for sentence, holds in checks.items() if not holds]


if __name__ == "__main__":
    sys.exit(main())
