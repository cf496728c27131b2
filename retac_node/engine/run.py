"""Runs a job: plans it, makes the results that the cache lacks, tells how far it is, and stops when asked to.

Stages run in a thread of their own, so the caller's thread can give up on one that is deep in a library call.  It never
handles signals and never ends the process: that is the command line's.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

from retac_node.engine.cache import Cache, out_of_space
from retac_node.engine.codec import Damaged
from retac_node.engine.events import Event, Teller
from retac_node.engine.plan import Input, Task, order, plan
from retac_node.engine.stage import Context, Stage
from retac_node.errors import BadInput, Cancelled

UNWIND = 0.8  # seconds that a cancelled stage has to come to its next progress call
POLL = 0.05  # seconds between two looks at the cancel flag
STOPPED = "stopped; run the same again to go on from here"


class Abandoned(Cancelled):
    """Cancelled while a stage is still in a library call: end the process with `os._exit(error.exit_code)`."""


class GaveWay(Cancelled):
    """Stopped between two tasks for another job; whoever asked for it runs this one again later."""


@dataclass(frozen=True)
class Length:
    """Where the number of output frames comes from."""

    stage: str  # a stage that does not rest on per-frame stages
    count: Callable[[Any], int]  # its result -> output frames


@dataclass(frozen=True)
class Job:
    """What is to be made, from what, and where."""

    stages: Mapping[str, Stage]
    wanted: tuple[str, ...]  # names of the stages whose results are asked for
    options: Mapping[str, Any]  # stage -> its Options
    length: Length | None = None  # needed where a wanted stage rests on a per-frame one
    chunk: int = 32  # output frames that a per-frame stage makes at a time
    weight_hashes: Mapping[str, str] = field(default_factory=dict)  # name in Stage.weights -> sha256
    sources: Mapping[str, Path] = field(default_factory=dict)  # sha256 -> where the user's file lies
    device: str = "cpu"


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


def run(
    job: Job, cache: Cache, on_event: Callable[[Event], None], cancelled: Flag, give_way: Flag | None = None
) -> dict[str, Any]:
    """Gives the wanted results by stage; of a per-frame stage, the sequence of its chunks.

    `on_event` is called in the caller's thread.  Within a second of `cancelled` being set it raises Cancelled, or
    Abandoned where the stage did not stop; whatever the stages finished or left in their folders is kept.
    Before the next task after `give_way` is set it raises GaveWay.
    Raises what a stage raises, and OutOfSpace when the cache's disk is full.
    """
    messages: SimpleQueue[Event | Outcome] = SimpleQueue()
    left = Flag()  # set when nobody listens any more
    worker = Worker(job, cache, messages.put, lambda: cancelled.is_set() or left.is_set(), give_way)
    Thread(target=worker.work, name="stages", daemon=True).start()
    try:
        outcome = listen(messages, on_event, cancelled)
    finally:
        left.set()
    if outcome.error is not None:
        raise outcome.error
    return outcome.results


@dataclass(frozen=True)
class Outcome:
    """The worker's last message."""

    results: dict[str, Any]
    error: BaseException | None = None


def listen(messages: "SimpleQueue[Event | Outcome]", on_event: Callable[[Event], None], cancelled: Flag) -> Outcome:
    """Passes the worker's events on until it ends, or until it has had its time to unwind."""
    deadline = float("inf")
    while time.monotonic() < deadline:
        if cancelled.is_set():
            deadline = min(deadline, time.monotonic() + UNWIND)
        with suppress(Empty):
            message = messages.get(timeout=POLL)
            if isinstance(message, Outcome):
                return message
            on_event(message)
    raise Abandoned(STOPPED)


class Worker:
    """Walks through the tasks in the worker thread."""

    def __init__(
        self,
        job: Job,
        cache: Cache,
        send: Callable[[Event | Outcome], None],
        stopped: Callable[[], bool],
        give_way: Flag | None,
    ) -> None:
        self.job = job
        self.cache = cache
        self.send = send
        self.stopped = stopped
        self.give_way = give_way
        self.framed = any(job.stages[name].chunked for name in order(job.stages, job.wanted))
        self.asked = (*job.wanted, job.length.stage) if self.framed and job.length else job.wanted
        self.teller = Teller({name: job.stages[name].cost for name in order(job.stages, self.asked)}, send)
        self.loaded: dict[str, Any] = {}  # key -> result, of stages that are not per-frame: many tasks read them

    def work(self) -> None:
        """Sends the outcome as the last message.  This is the job worker's border: any error goes to the caller."""
        try:
            outcome = Outcome(self.make())
        except BaseException as error:
            full = out_of_space(error, self.cache.root)
            if full is not None:
                full.__cause__ = error
            outcome = Outcome({}, full or error)
        self.send(outcome)

    def make(self) -> dict[str, Any]:
        """Makes what gives the length, where frames are asked for, and then the rest."""
        tasks = self.plan(self.length() if self.framed else None)
        self.walk(tasks, self.job.wanted)
        return {name: self.whole(tasks, name) for name in self.job.wanted}

    def length(self) -> int:
        length = self.job.length
        assert length is not None, "a job with per-frame stages needs Job.length"
        tasks = self.plan(None)
        self.walk(tasks, (length.stage,))
        return length.count(self.whole(tasks, length.stage))

    def plan(self, length: int | None) -> tuple[Task, ...]:
        job = self.job
        return plan(job.stages, self.asked, job.options, job.weight_hashes, length, job.chunk)

    def walk(self, tasks: tuple[Task, ...], wanted: Collection[str]) -> None:
        """Makes the wanted stages' results, and of the rest only what a missing one reads."""
        self.cache.use(task.key for task in tasks)
        held = {task.key for task in tasks if self.holds(task)}
        todo = needed(tasks, wanted, held)
        self.teller.plan(tasks, todo)
        for task in tasks:
            self.check()
            if task.key in todo:
                if self.give_way is not None and self.give_way.is_set():
                    raise GaveWay(STOPPED)
                self.perform(task)
            elif task.key in held:
                self.finish(task, 0.0, cached=True)

    def holds(self, task: Task) -> bool:
        return task.key in self.loaded or self.cache.holds(task.key, self.job.stages[task.stage].result)

    def perform(self, task: Task) -> None:
        """Makes a task's result, or takes it from another process that makes it at this moment."""

        def wait() -> None:
            self.check()
            self.teller.progress(task, 0.0, "another job is making the same; waiting for it")

        with self.cache.lock(task.key, wait):
            if self.holds(task):
                return self.finish(task, 0.0, cached=True)
            self.teller.start(task)
            began = time.monotonic()
            self.call(task)
            return self.finish(task, time.monotonic() - began, cached=False)

    def call(self, task: Task) -> None:
        """Runs the stage on its inputs, which are let go on return, and stores the result with its warnings."""
        stage, warnings = self.job.stages[task.stage], list[str]()

        def progress(fraction: float, label: str) -> None:
            self.check()
            self.teller.progress(task, fraction, label)

        def warn(sentence: str) -> None:
            warnings.append(sentence)
            self.teller.warn(task.stage, sentence)

        folder = self.cache.work(task.key)
        context = Context(folder, self.job.device, dict(self.job.sources), progress, warn)
        frames = () if task.frames is None else (task.frames,)
        inputs = [self.result(name, item) for name, item in zip(stage.inputs, task.inputs, strict=True)]
        result = stage.run(context, task.options, *frames, *inputs)
        assert type(result) is stage.result, f"{stage.name} gave a {type(result).__name__}, not its result type"
        self.cache.finish(task.key, result, warnings)

    def finish(self, task: Task, seconds: float, cached: bool) -> None:
        if cached:
            for sentence in self.cache.warnings(task.key):
                self.teller.warn(task.stage, sentence)
        self.teller.finish(task, seconds, cached)

    def whole(self, tasks: Sequence[Task], name: str) -> Any:
        """Gives a stage's result; of a per-frame stage, the sequence of all its chunks."""
        keys = tuple(task.key for task in tasks if task.stage == name)
        return self.result(name, keys if self.job.stages[name].chunked else keys[0])

    def result(self, stage: str, item: Input) -> Any:
        if isinstance(item, str):
            return self.load(stage, item)
        return Chunks(lambda key: self.load(stage, key), item)

    def load(self, stage: str, key: str) -> Any:
        if key in self.loaded:
            return self.loaded[key]
        try:
            result = self.cache.load(key, self.job.stages[stage].result)
            if not self.job.stages[stage].chunked:
                self.loaded[key] = result
            return result
        except Damaged as error:
            raise BadInput(f"the cache changed while the job ran ({error}); run again to make it anew") from error

    def check(self) -> None:
        if self.stopped():
            raise Cancelled(STOPPED)


def needed(tasks: Sequence[Task], wanted: Collection[str], held: Collection[str]) -> set[str]:
    """Gives the keys of the tasks that must run: the wanted ones, and what those read that are not held."""
    asked = {task.key for task in tasks if task.stage in wanted}
    todo: set[str] = set()
    for task in reversed(tasks):  # each before those it reads
        if task.key in asked and task.key not in held:
            todo.add(task.key)
            asked.update(task.sources())
    return todo
