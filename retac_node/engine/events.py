"""What a running job tells, in the order in which it happens, and the sums behind its progress bars.  Never prints."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from retac_node.engine.plan import Range, Task

PROGRESS_EVERY = 0.1  # seconds between two Progress events


@dataclass(frozen=True)
class PlannedTask:
    stage: str
    key: str
    frames: Range | None  # output frames [start, stop) of a chunk
    cached: bool  # it need not run


@dataclass(frozen=True)
class Planned:
    """The task list; told twice by a job with per-frame stages, the second time with all tasks."""

    tasks: tuple[PlannedTask, ...]


@dataclass(frozen=True)
class Started:
    stage: str
    frames: Range | None


@dataclass(frozen=True)
class Progress:
    stage: str
    fraction: float  # of the stage, [0, 1]
    overall: float  # of the job, [0, 1], never falls
    label: str


@dataclass(frozen=True)
class Warned:
    stage: str
    sentence: str


@dataclass(frozen=True)
class Finished:
    stage: str
    frames: Range | None
    seconds: float  # that it took now
    cached: bool
    spent: float  # seconds that it took when it was made, now or by an earlier job


Event = Planned | Started | Progress | Warned | Finished


class Teller:
    """Counts what is done and tells the events; each end of a task and each warning of a stage once."""

    def __init__(self, costs: Mapping[str, float], tell: Callable[[Event], None]) -> None:
        self.costs = costs  # of all stages of the job, those included that are not planned yet
        self.tell = tell
        self.planned: dict[str, set[str]] = {}  # stage -> keys of its tasks
        self.done: set[str] = set()  # keys of tasks that ended or need not run
        self.begun: dict[str, float] = {}  # key of a task under way -> how much of it is done, [0, 1]
        self.told: set[str | Warned] = set()  # finished tasks and warnings that were told
        self.overall = 0.0
        self.last = float("-inf")  # when the last Progress was told

    def plan(self, tasks: Iterable[Task], todo: Collection[str]) -> None:
        """Tells the task list; `todo` has the keys of the tasks that will run."""
        listed = tuple(PlannedTask(task.stage, task.key, task.frames, task.key not in todo) for task in tasks)
        self.planned = {name: {task.key for task in listed if task.stage == name} for name in self.costs}
        self.done = {task.key for task in listed if task.cached}
        self.tell(Planned(listed))

    def start(self, task: Task) -> None:
        self.tell(Started(task.stage, task.frames))

    def progress(self, task: Task, fraction: float, label: str) -> None:
        """Tells how far the task is; drops what comes too fast to be read."""
        now = time.monotonic()
        self.begun[task.key] = min(max(fraction, 0.0), 1.0)
        if now - self.last < PROGRESS_EVERY:
            return
        self.last = now
        parts = {name: self.fraction(name) for name in self.costs}
        share = sum(cost * parts[name] for name, cost in self.costs.items()) / sum(self.costs.values())
        self.overall = max(self.overall, share)
        self.tell(Progress(task.stage, parts[task.stage], self.overall, label))

    def fraction(self, stage: str) -> float:
        keys = self.planned[stage]
        begun = sum(part for key, part in self.begun.items() if key in keys)
        return (len(keys & self.done) + begun) / len(keys) if keys else 0.0

    def warn(self, stage: str, sentence: str) -> None:
        warned = Warned(stage, sentence)
        if warned not in self.told:
            self.told.add(warned)
            self.tell(warned)

    def finish(self, task: Task, seconds: float, cached: bool, spent: float) -> None:
        self.done.add(task.key)
        self.begun.pop(task.key, None)
        if task.key not in self.told:
            self.told.add(task.key)
            self.tell(Finished(task.stage, task.frames, seconds, cached, spent))
