"""Runs a job: plans it, makes the results that the cache lacks, tells how far it is, and stops when asked to.

Stages run in a thread of their own, so the caller's thread can give up on one that is deep in a library call.  It never
handles signals and never ends the process: that is the command line's.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import Any

from retac_node.engine.cache import Cache, out_of_space
from retac_node.engine.events import Event, Teller
from retac_node.engine.make import LOCAL, Bench, Ears, Executor
from retac_node.engine.plan import WHOLE, Share, Task, order, plan, shared
from retac_node.engine.stage import Stage
from retac_node.errors import Cancelled

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
    share: Share = WHOLE  # which chunks of the per-frame stages are made


def run(
    job: Job,
    cache: Cache,
    on_event: Callable[[Event], None],
    cancelled: Flag,
    give_way: Flag | None = None,
    executor: Executor = LOCAL,
) -> dict[str, Any]:
    """Gives the wanted results by stage; of a per-frame stage, the sequence of its chunks.

    `on_event` is called in the caller's thread.  Within a second of `cancelled` being set it raises Cancelled, or
    Abandoned where the stage did not stop; whatever the stages finished or left in their folders is kept.
    Before the next task after `give_way` is set it raises GaveWay.  `executor` makes the tasks, and what is made is the same.
    Raises what a stage raises, and OutOfSpace when the cache's disk is full.
    """
    messages: SimpleQueue[Event | Outcome] = SimpleQueue()
    left = Flag()  # set when nobody listens any more
    worker = Worker(job, cache, messages.put, lambda: cancelled.is_set() or left.is_set(), give_way, executor)
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
        executor: Executor,
    ) -> None:
        self.job = job
        self.cache = cache
        self.send = send
        self.stopped = stopped
        self.give_way = give_way
        self.executor = executor
        self.bench = Bench(job.stages, cache, job.sources, job.device)
        self.framed = any(job.stages[name].chunked for name in order(job.stages, job.wanted))
        self.asked = (*job.wanted, job.length.stage) if self.framed and job.length else job.wanted
        self.teller = Teller({name: job.stages[name].cost for name in order(job.stages, self.asked)}, send)
        self.telling = Lock()  # tasks that are made side by side tell at once
        self.ended: SimpleQueue[tuple[Task, BaseException | None]] = SimpleQueue()
        self.under_way = 0  # tasks that have begun and not ended
        self.failed = False

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
        tasks = plan(job.stages, self.asked, job.options, job.weight_hashes, length, job.chunk)
        return shared(tasks, job.chunk, job.share)

    def walk(self, tasks: tuple[Task, ...], wanted: Collection[str]) -> None:
        """Makes the wanted stages' results, and of the rest only what a missing one reads."""
        self.cache.use(task.key for task in tasks)
        held = {task.key for task in tasks if self.bench.holds(task)}
        todo = needed(tasks, wanted, held)
        self.teller.plan(tasks, todo)
        line = Line(tasks, todo, held)
        try:
            while line:
                self.step(line, held)
        except GaveWay:
            raise
        except BaseException:
            self.failed = True  # what is still under way stops
            raise
        finally:
            while self.under_way:
                self.end()

    def step(self, line: "Line", held: Collection[str]) -> None:
        """Begins the next task, or waits for one to end where none may begin."""
        self.check()
        task = line.next() if self.under_way < self.executor.width else None
        if task is None:
            ended, error = self.end()
            if error is not None:
                raise error
            line.done(ended)
        elif task.key in held:
            self.finish(task, None)
            line.done(task)
        elif self.give_way is not None and self.give_way.is_set():
            raise GaveWay(STOPPED)
        else:
            self.begin(task)

    def begin(self, task: Task) -> None:
        self.under_way += 1
        if self.executor.width == 1:
            self.perform(task)
        else:
            Thread(target=self.perform, args=(task,), name=task.stage, daemon=True).start()

    def perform(self, task: Task) -> None:
        """Has the task made.  A border as `work` is: any error goes to the walk."""
        try:
            self.finish(task, self.executor.make(task, self.bench, self.ears(task)))
            self.ended.put((task, None))
        except BaseException as error:
            self.ended.put((task, error))

    def end(self) -> tuple[Task, BaseException | None]:
        ended = self.ended.get()
        self.under_way -= 1
        return ended

    def ears(self, task: Task) -> Ears:
        def started() -> None:
            with self.telling:
                self.teller.start(task)

        def progress(fraction: float, label: str) -> None:
            self.check()
            with self.telling:
                self.teller.progress(task, fraction, label)

        def warn(sentence: str) -> None:
            with self.telling:
                self.teller.warn(task.stage, sentence)

        return Ears(started, progress, warn)

    def finish(self, task: Task, seconds: float | None) -> None:
        """Tells of a result that took so long; None: it was here."""
        sentences = self.cache.warnings(task.key) if seconds is None else ()
        spent = self.cache.seconds(task.key) if seconds is None else seconds
        with self.telling:
            for sentence in sentences:
                self.teller.warn(task.stage, sentence)
            self.teller.finish(task, seconds or 0.0, seconds is None, spent)

    def whole(self, tasks: Sequence[Task], name: str) -> Any:
        """Gives a stage's result; of a per-frame stage, the sequence of all its chunks."""
        keys = tuple(task.key for task in tasks if task.stage == name)
        return self.bench.result(name, keys if self.job.stages[name].chunked else keys[0])

    def check(self) -> None:
        if self.failed or self.stopped():
            raise Cancelled(STOPPED)


class Line:
    """The tasks in the order of the plan, each once those it reads are done."""

    def __init__(self, tasks: Sequence[Task], todo: Collection[str], held: Collection[str]) -> None:
        self.tasks = tasks
        self.place = {task.key: place for place, task in enumerate(tasks)}
        self.ready: list[int] = []  # places, a heap
        wanted = [task for task in tasks if task.key in todo or task.key in held]
        self.graph = TopologicalSorter({task.key: () if task.key in held else task.sources() for task in wanted})
        self.graph.prepare()

    def __bool__(self) -> bool:
        return self.graph.is_active()

    def next(self) -> Task | None:
        """Gives the first of the tasks that can begin, None where all of them wait for others."""
        for key in self.graph.get_ready():
            heappush(self.ready, self.place[key])
        return self.tasks[heappop(self.ready)] if self.ready else None

    def done(self, task: Task) -> None:
        self.graph.done(task.key)


def needed(tasks: Sequence[Task], wanted: Collection[str], held: Collection[str]) -> set[str]:
    """Gives the keys of the tasks that must run: the wanted ones, and what those read that are not held."""
    asked = {task.key for task in tasks if task.stage in wanted}
    todo: set[str] = set()
    for task in reversed(tasks):  # each before those it reads
        if task.key in asked and task.key not in held:
            todo.add(task.key)
            asked.update(task.sources())
    return todo
