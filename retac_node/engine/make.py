"""Makes one task of a plan: an entry in the cache, in this process or wherever an Executor has it made.  Never plans.

A task names all that it is made from, so whoever has the stages, the cache's folder and the user's files makes the same.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from retac_node.engine.cache import Cache
from retac_node.engine.claims import Lost
from retac_node.engine.codec import Damaged
from retac_node.engine.plan import Input, Task
from retac_node.engine.stage import Context, Stage
from retac_node.errors import BadInput

WAITING = "another job is making the same; waiting for it"


class Chunks(Sequence[Any]):
    """The results of a per-frame stage in order, each mapped when it is looked at: memory is flat in the length."""

    def __init__(self, load: Callable[[str], Any], keys: tuple[str, ...]) -> None:
        self.load = load
        self.keys = keys

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Chunks(self.load, self.keys[index])
        return self.load(self.keys[index])


@dataclass(frozen=True)
class Bench:
    """Where a job's tasks are made, and with what."""

    stages: Mapping[str, Stage]
    cache: Cache
    sources: Mapping[str, Path]  # sha256 -> where the user's file lies
    device: str = "cpu"
    loaded: dict[str, Any] = field(default_factory=dict)  # key -> result; of stages that many tasks read

    def holds(self, task: Task) -> bool:
        return task.key in self.loaded or self.cache.holds(task.key, self.stages[task.stage].result)

    def result(self, stage: str, item: Input) -> Any:
        """Gives a task's result; of a per-frame stage, the sequence of the chunks asked for."""
        if isinstance(item, str):
            return self.load(stage, item)
        return Chunks(lambda key: self.load(stage, key), item)

    def load(self, stage: str, key: str) -> Any:
        if key in self.loaded:
            return self.loaded[key]
        try:
            result = self.cache.load(key, self.stages[stage].result)
        except Damaged as error:
            raise BadInput(f"the cache changed while the job ran ({error}); run again to make it anew") from error
        if not self.stages[stage].chunked:
            self.loaded[key] = result
        return result


@dataclass(frozen=True)
class Ears:
    """Who hears how a task goes."""

    started: Callable[[], None]
    progress: Callable[[float, str], None]  # fraction and label; raises Cancelled when the task is to stop
    warn: Callable[[str], None]


class Executor(Protocol):
    """Has tasks made.  `make` is called from as many threads as `width` says, by several jobs at once."""

    @property
    def width(self) -> int:
        """How many tasks may be under way at once."""

    def make(self, task: Task, bench: Bench, ears: Ears) -> float | None:
        """Returns when the task is made, as the function below does."""


class Local:
    """Makes one task after the other in this process."""

    width = 1

    def make(self, task: Task, bench: Bench, ears: Ears) -> float | None:
        return make(task, bench, ears)


LOCAL = Local()


def make(task: Task, bench: Bench, ears: Ears) -> float | None:
    """Makes a task's result, or waits for whoever makes it at this moment; what it reads is in the cache.

    Gives the seconds it took, None where the result was here.  Raises what the stage raises, and Cancelled.
    """
    while True:
        try:
            with bench.cache.claim(task.key, lambda: ears.progress(0.0, WAITING)) as folder:
                if bench.holds(task):
                    return None
                ears.started()
                return call(task, bench, ears, folder)
        except Lost:
            continue


def call(task: Task, bench: Bench, ears: Ears, folder: Path) -> float:
    """Runs the stage on its inputs, which are let go on return, and stores the result with its warnings and seconds."""
    began = time.monotonic()
    stage, warnings = bench.stages[task.stage], list[str]()

    def warn(sentence: str) -> None:
        warnings.append(sentence)
        ears.warn(sentence)

    context = Context(folder, bench.device, dict(bench.sources), ears.progress, warn)
    frames = () if task.frames is None else (task.frames,)
    inputs = [bench.result(name, item) for name, item in zip(stage.inputs, task.inputs, strict=True)]
    result = stage.run(context, task.options, *frames, *inputs)
    assert type(result) is stage.result, f"{stage.name} gave a {type(result).__name__}, not its result type"
    seconds = time.monotonic() - began
    bench.cache.finish(task.key, result, warnings, seconds)
    return seconds
