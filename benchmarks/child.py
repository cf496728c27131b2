"""One `retac dub` in a process of its own: what it told, how it ended, its seconds and its peak of memory.

Never judges what was made.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from retac_node.engine import codec
from retac_node.stages import STAGES

Told = dict[str, Any]  # an event as `--json` writes it


@dataclass(frozen=True)
class Ended:
    code: int  # as the system gives it; a killed process has minus the signal
    seconds: float
    peak: int  # bytes, resident
    events: tuple[Told, ...]

    def stages(self) -> dict[str, float]:
        """Gives the seconds of each stage that ran."""
        ran = [event for event in self.told("finished") if not event["cached"]]
        return {name: sum(e["seconds"] for e in ran if e["stage"] == name) for name in STAGES if name in stages(ran)}

    def tasks(self) -> list[Told]:
        """Gives the task list as it was told last, each with stage, key, frames and `cached`: it never had to run."""
        plans = [plan["tasks"] for plan in self.told("planned")]
        run = {task["key"] for plan in plans for task in plan if not task["cached"]}
        return [{**task, "cached": task["key"] not in run} for task in (plans[-1] if plans else [])]

    def made(self, stage: str, work: Path) -> tuple[Any, ...]:
        """Reads the results of a stage from the cache folder; one, or of a per-frame stage one a chunk."""
        keys = [task["key"] for task in self.tasks() if task["stage"] == stage]
        return tuple(codec.load(work / "done" / key, STAGES[stage].result) for key in keys)

    def told(self, kind: str) -> list[Told]:
        return [event for event in self.events if event["event"] == kind]

    def complaint(self) -> str:
        """Gives the sentence it ended with, empty where it ended well."""
        return " ".join(event["message"] for event in self.told("error"))


def stages(events: Sequence[Told]) -> set[str]:
    return {event["stage"] for event in events}


def dub(
    clip: Path, line: str, output: Path, work: Path, *more: str, kill: Callable[[Told], bool] | None = None
) -> Ended:
    """Runs the command line; kills it, as `kill -9` does, once `kill` says so of an event."""
    command = [sys.executable, "-m", "retac_node", "dub", str(clip), "--text", line, "-o", str(output)]
    began = monotonic()
    child = subprocess.Popen([*command, "--work", str(work), "--json", *more], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    events = []
    for text in child.stdout:
        if not text.endswith("\n"):  # cut by the kill
            break
        events.append(json.loads(text))
        if kill is not None and kill(events[-1]):
            child.kill()
            kill = None
    child.stdout.close()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Ended(child.returncode, monotonic() - began, peak, tuple(events))
