"""A worker of the node: a process that runs one job after the other and tells what happens.  Never opens a network socket.

workers.py starts it, with one end of a socket pair.  It ends when the node does.
"""

import argparse
import ctypes
import os
import resource
import shutil
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Thread
from typing import Any

import msgspec

from retac_node import config, limits, orders, parts, pipe, recipe
from retac_node.desk import Desk
from retac_node.engine.cache import Cache, out_of_space
from retac_node.engine.events import Event, Finished, Planned, Progress, Started, Warned
from retac_node.engine.make import LOCAL, Executor
from retac_node.engine.plan import Range
from retac_node.engine.run import GaveWay
from retac_node.engine.stage import Stage
from retac_node.errors import Cancelled, RetacError
from retac_node.executors import executor
from retac_node.limits import Limits
from retac_node.pipe import Ended, Pipe, Start
from retac_node.stages import STAGES

PR_SET_PDEATHSIG = 1  # prctl(2)
FRESH = 60.0  # seconds that a measured cache is trusted


@dataclass(frozen=True)
class Craft:
    """What a worker can do."""

    stages: Mapping[str, Stage]
    makers: Mapping[str, parts.Maker]
    check: Callable[[Path, Limits], None] = limits.check_clip  # refuses a clip before it is decoded
    bench: "Callable[[Start, Boss, Place], Bench] | None" = None  # what does a job; None: Bench


CRAFT = Craft(STAGES, parts.MAKERS)


@dataclass(frozen=True)
class Place:
    """What a worker is given for as long as it lives."""

    craft: Craft
    device: str  # "cpu" or "cuda"
    scratch: Path  # its own folder
    limits: Limits
    shelf: "Shelf"
    executor: Executor = LOCAL


class Shelf:
    """The cache, open over many jobs: opening it means measuring it.  `work` None: the installation's."""

    def __init__(self, work: Path | None = None) -> None:
        self.work = work
        self.opened: Cache | None = None
        self.since = 0.0  # time.monotonic()

    def cache(self) -> Cache:
        """Gives the cache; opened anew after a while, as others put things there, and where its folder went away."""
        opened = self.opened
        if opened is None or time.monotonic() - self.since > FRESH or not (opened.root / "done").is_dir():
            settings = config.load()
            self.opened, self.since = Cache(self.work or settings.work, settings.cache_limit_bytes), time.monotonic()
        assert self.opened is not None
        return self.opened


class Boss:
    """The node's end, read in a thread of its own: a job that is deep in a library call is told at once."""

    def __init__(self, end: Pipe) -> None:
        self.pipe = end
        self.jobs: SimpleQueue[Start] = SimpleQueue()
        self.stop, self.give_way = Flag(), Flag()
        Thread(target=self.listen, name="boss", daemon=True).start()

    def listen(self) -> None:
        """Ends the process when the node is gone, whatever else it is at."""
        try:
            while True:
                for message in self.pipe.receive():
                    self.hear(message)
        except pipe.Closed:
            os._exit(0)

    def hear(self, message: pipe.PipeMessage) -> None:
        if isinstance(message, Start):
            self.give_way.clear()  # it was meant for the job before
            self.jobs.put(message)
        elif isinstance(message, pipe.Stop):
            self.stop.set()
        else:
            self.give_way.set()

    def tell(self, message: pipe.PipeMessage) -> None:
        with suppress(pipe.Closed):  # `listen` ends the process
            self.pipe.send(message)


class Bench:
    """One job at work: turns the engine's events into messages, and results into parts."""

    def __init__(self, start: Start, boss: Boss, place: Place) -> None:
        self.start, self.boss, self.place, self.craft = start, boss, place, place.craft
        self.cache = place.shelf.cache()
        self.desk = Desk(None, place.device, self.hear, boss.stop, boss.give_way, self.cache, place.executor)
        self.have = set(start.have)
        self.keys: dict[tuple[str, Range | None], str] = {}  # stage and frames -> the task's key
        self.sources = named(start, place.scratch)
        clip = self.sources[start.order.clip]
        self.desktop = parts.Desktop(clip, self.result, self.desk.seconds, self.desk.warnings, start.order.goal)
        self.ran = self.cached = 0  # tasks

    def work(self) -> None:
        """Runs the job.  Raises BadInput, OutOfSpace, Refused, Cancelled, GaveWay."""
        self.check()
        order, stages = self.start.order, self.craft.stages
        self.desk.run(self.desk.spec(order, self.sources, stages), self.sources, orders.WANTED[order.goal], stages)

    def check(self) -> None:
        order, bounds = self.start.order, self.place.limits
        self.craft.check(self.sources[order.clip], bounds)
        for sound in (order.audio, order.voice):
            if sound:
                limits.check_sound(self.sources[sound], bounds)
        if order.motion:
            limits.check_curves(self.sources[order.motion])

    def hear(self, event: Event) -> None:
        if isinstance(event, Planned):
            self.keys = {(task.stage, task.frames): task.key for task in event.tasks}
        elif isinstance(event, Started):
            self.boss.tell(pipe.Working(event.stage))
        elif isinstance(event, Progress):
            self.boss.tell(pipe.Told(event.stage, event.label, event.overall))
        elif isinstance(event, Warned):
            self.boss.tell(pipe.Warned(event.sentence))
        else:
            self.finished(event)

    def finished(self, event: Finished) -> None:
        self.ran, self.cached = self.ran + (not event.cached), self.cached + event.cached
        if event.stage == "ingest":
            limits.check_length(self.result("ingest"), self.place.limits)
        if event.stage in self.craft.makers:
            value = self.load(event.stage, event.frames)
            for name, write in self.craft.makers[event.stage](self.desktop, value, event.frames):
                self.make(name, write)

    def make(self, name: str, write: parts.Write) -> None:
        """Writes a part, unless the node has it, and tells of it."""
        if name in self.have:
            return
        if self.boss.stop.is_set():
            raise Cancelled("stopped")
        path = self.place.scratch / f"{len(self.have)}{Path(name).suffix}"
        write(path)
        self.have.add(name)
        self.boss.tell(pipe.Made(name, recipe.digest(path), str(path)))

    def result(self, stage: str) -> Any:
        return self.load(stage, None)

    def load(self, stage: str, frames: Range | None) -> Any:
        return self.cache.load(self.keys[stage, frames], self.craft.stages[stage].result)


def named(start: Start, scratch: Path) -> dict[str, Path]:
    """Gives the job's files names that sentences can say; sha256 -> a link in the empty scratch folder."""
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    order = start.order
    names = {order.motion: "the curves.npz", order.voice: "the voice", order.audio: "line.wav", order.clip: "the clip"}
    for sha256, name in names.items():
        if sha256:
            (scratch / name).symlink_to(start.files[sha256])
    return {sha256: scratch / name for sha256, name in names.items() if sha256}


def perform(start: Start, boss: Boss, place: Place) -> Ended:
    """Runs a job to its end.  The border of the worker: whatever is raised becomes words."""
    bench: Bench | None = None
    try:
        bench = (place.craft.bench or Bench)(start, boss, place)
        bench.work()
        ended = Ended("done")
    except GaveWay:
        ended = Ended("gave way")
    except Cancelled:
        ended = Ended("stopped")
    except RetacError as error:
        ended = Ended("refused", str(error))
    except Exception as error:
        ended = worded(error, bench)
    if bench is not None:
        ended = msgspec.structs.replace(ended, ran=bench.ran, cached=bench.cached)
    return msgspec.structs.replace(ended, error=ended.error.replace(f"{place.scratch}{os.sep}", ""))


def worded(error: Exception, bench: Bench | None) -> Ended:
    """Finds the words for an error that no stage foresaw."""
    trace = "".join(traceback.format_exception(error, limit=-6))[-4000:]
    if isinstance(error, MemoryError):
        return Ended(
            "failed", "the job needs more memory than this node gives a worker; give a shorter or smaller clip"
        )
    work = config.load().work
    if (full := out_of_space(error, work)) is not None:
        return Ended("failed", str(full), trace)
    if (bench is not None and not bench.cache.root.is_dir()) or isinstance(error, FileNotFoundError | FileExistsError):
        return Ended("broken", "files of the work folder went away while the job ran; run the job again", trace)
    return Ended("failed", f"the node made a mistake ({type(error).__name__}); its log says where", trace)


def main() -> None:
    """Runs jobs until the node is gone, or until one was stopped: then memory of every kind is given back at once."""
    parser = argparse.ArgumentParser("retac_node.worker")
    parser.add_argument("--pipe", type=int, required=True)
    parser.add_argument("--device", required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--limits", required=True)
    parser.add_argument("--craft", default="retac_node.worker:CRAFT")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--ray-address", default="")
    asked = parser.parse_args()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    bounds = msgspec.json.decode(asked.limits, type=Limits)
    bind_memory(bounds)
    os.set_inheritable(asked.pipe, False)
    sys.setswitchinterval(0.0005)  # seconds; one thread makes results, the other tells of them
    boss = Boss(Pipe(socket.socket(fileno=asked.pipe), pipe.ToWorker))
    module, _, name = asked.craft.partition(":")
    craft = getattr(import_module(module), name)
    with executor(asked.executor, asked.ray_address, asked.device, f"{asked.craft}.stages") as made_by:
        serve(boss, Place(craft, asked.device, asked.scratch, bounds, Shelf(asked.work), made_by))
    os._exit(0)


def serve(boss: Boss, place: Place) -> None:
    """Runs jobs until one of them has left the process other than it was."""
    boss.tell(pipe.Ready())
    while True:
        ended = perform(boss.jobs.get(), boss, place)
        boss.tell(ended)
        if ended.how not in pipe.UNHARMED or boss.stop.is_set():
            return


def end_with_parent() -> None:
    """Has the kernel end this process with the node, should a library call keep `Boss` from hearing that it is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def bind_memory(bounds: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if bounds.memory:
        resource.setrlimit(resource.RLIMIT_AS, (bounds.memory, bounds.memory))
