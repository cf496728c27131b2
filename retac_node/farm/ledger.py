"""What is known of each shot of a batch while it runs, and the sums over all of them.  Never runs or draws anything."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from retac_node.farm.checks import Checked
from retac_node.farm.record import Record

State = Literal["waiting", "running", "done", "failed"]


@dataclass(eq=False)
class Entry:
    """One row."""

    checked: Checked
    state: State
    error: str = ""  # why it failed
    failures: list[str] = field(default_factory=list)  # the reasons of its attempts that did not end well
    avoid: set[str] = field(default_factory=set)  # workers that it failed on
    kept: bool = False  # an earlier run had finished it
    record: Record | None = None  # once it is done
    ran: Counter[str] = field(default_factory=Counter)  # stage -> tasks that were run for it, in all attempts
    tasks: int = 0  # of its last attempt, run or found in the cache
    seconds: float = 0.0  # at work, all attempts
    began: float = 0.0  # time.monotonic() of the attempt that runs, and of the last sign of it
    heard: float = 0.0
    stage: str = ""  # that runs
    fraction: float = 0.0

    @property
    def name(self) -> str:
        return self.checked.name

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed")


def entries(rows: Iterable[Checked]) -> list[Entry]:
    """Gives an entry for each row; one with faults has failed before it began."""
    return [Entry(row, "failed" if row.faults else "waiting", "; ".join(row.faults)) for row in rows]


@dataclass(frozen=True)
class Totals:
    rows: int
    done: int  # those kept included
    failed: int
    kept: int
    running: int
    waiting: int
    clips: int  # distinct ones, of rows that can run
    persons: int  # distinct solves with their training, of the same rows
    ran: Mapping[str, int]  # stage -> tasks that were run
    work_seconds: float  # of workers, summed
    wall_seconds: float


def totals(shots: Sequence[Entry], wall_seconds: float) -> Totals:
    states = Counter(entry.state for entry in shots)
    runnable = [entry.checked.shot for entry in shots if entry.checked.shot is not None]
    return Totals(
        rows=len(shots),
        done=states["done"],
        failed=states["failed"],
        kept=sum(entry.kept for entry in shots),
        running=states["running"],
        waiting=states["waiting"],
        clips=len({shot.order.clip for shot in runnable}),
        persons=len({shot.learnt for shot in runnable}),
        ran=dict(sum((entry.ran for entry in shots), Counter())),
        work_seconds=round(sum(entry.seconds for entry in shots), 1),
        wall_seconds=round(wall_seconds, 1),
    )


def summary(entry: Entry, folder: Path) -> dict[str, Any]:
    """Gives what the JSON beside the page says of a row; paths as seen from `folder`."""
    told: dict[str, Any] = {
        "row": entry.checked.row,
        "name": entry.name,
        "note": entry.checked.note,
        "state": entry.state,
        "kept": entry.kept,
        "error": entry.error,
        "failures": entry.failures,
        "seconds": round(entry.seconds, 2),
        "ran": dict(entry.ran),
    }
    if entry.checked.shot is not None:
        order, made = entry.checked.shot.order, entry.checked.shot.made
        told |= {"clip": order.clip, "text": order.text, "consent": order.consent, "recipe": entry.checked.shot.recipe}
        if entry.state == "done":
            told |= {"video": os.path.relpath(made.video, folder), "report": os.path.relpath(made.report, folder)}
    if entry.record is not None:
        told |= {"figures": entry.record.figures, "stage_seconds": entry.record.seconds}
        told |= {"warnings": list(entry.record.warnings)}
    return told
