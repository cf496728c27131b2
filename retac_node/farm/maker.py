"""A worker process of a farm: what it is asked for, what it tells, and what makes the tasks.  Never knows who asks.

All of it travels as msgpack: names of stages, keys and files, and options.  No stage, picture or error is ever pickled.
"""

import os
import time
import traceback
from collections.abc import Mapping
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, msgpack

from retac_node.config import ENVIRONMENT
from retac_node.engine.cache import Cache, out_of_space
from retac_node.engine.make import Bench, Ears, make
from retac_node.engine.plan import Input, Range, Task
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput, RetacError

THREADS = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")  # what libraries read when they load
FRESH = 60.0  # seconds that a worker trusts the size of the cache, to which others add


class Errand(Struct, frozen=True):
    """One task, as a worker is asked for it."""

    stage: str
    version: int
    key: str
    options: msgspec.Raw
    inputs: tuple[Input, ...]
    frames: Range | None
    work: str  # the cache's folder
    limit: int  # bytes of it
    sources: dict[str, str]  # sha256 -> the user's file
    device: str


class News(Struct, frozen=True):
    """How a task goes."""

    key: str = ""
    begun: bool = False
    fraction: float = 0.0
    label: str = "beginning"
    warned: tuple[str, ...] = ()


class Ended(Struct, frozen=True):
    seconds: float | None = None  # that it took; None: the result was there
    kind: str = ""  # of the error
    words: str = ""


def errand(task: Task, bench: Bench, device: str) -> Errand:
    return Errand(
        task.stage,
        bench.stages[task.stage].version,
        task.key,
        msgspec.Raw(msgpack.encode(task.options)),
        task.inputs,
        task.frames,
        str(bench.cache.root),
        bench.cache.limit,
        {key: str(path) for key, path in bench.sources.items()},
        device,
    )


def stages_of(table: str) -> Mapping[str, Stage]:
    """Gives the stages that are called MODULE:NAME."""
    module, _, name = table.partition(":")
    return attrgetter(name)(import_module(module))  # type: ignore[no-any-return]


class Maker:
    """A worker process: makes one task after the other and keeps its models, and tells meanwhile how it goes."""

    def __init__(self, table: str, home: str, threads: int) -> None:
        os.environ.update({ENVIRONMENT: home, **dict.fromkeys(THREADS, str(threads))})
        self.stages = stages_of(table)
        self.bench: Bench | None = None
        self.since = 0.0  # time.monotonic() when the bench was laid
        self.news = News()

    def make(self, message: bytes) -> bytes:
        """Makes the task.  A border as the job worker's is: any error becomes words."""
        errand = msgpack.decode(message, type=Errand)
        self.news = News(errand.key)
        try:
            ended = Ended(make(self.task(errand), self.bench_for(errand), self.ears()))
        except RetacError as error:
            ended = Ended(None, type(error).__name__, str(error))
        except Exception as error:
            full = out_of_space(error, Path(errand.work))
            ended = Ended(None, "OutOfSpace", str(full)) if full else Ended(None, "Mistake", traceback.format_exc())
        return msgpack.encode(ended)

    def tell(self) -> bytes:
        return msgpack.encode(self.news)

    def task(self, errand: Errand) -> Task:
        stage = self.stages[errand.stage]
        if stage.version != errand.version:
            raise BadInput(
                f"a worker on {os.uname().nodename} has version {stage.version} of the stage {stage.name} and this "
                f"machine has {errand.version}; install the same retac on every host"
            )
        options: Any = msgpack.decode(errand.options, type=stage.options)
        return Task(errand.stage, errand.key, options, errand.inputs, errand.frames)

    def bench_for(self, errand: Errand) -> Bench:
        """Gives the bench of the errand's job: the last one's where that is the same, with what it has loaded."""
        sources, last = {key: Path(path) for key, path in errand.sources.items()}, self.bench
        same = last is not None and (last.cache.root, last.sources) == (Path(errand.work), sources)
        if last is None or not same or time.monotonic() - self.since > FRESH or not last.cache.root.is_dir():
            cache, self.since = Cache(Path(errand.work), errand.limit), time.monotonic()
            last = self.bench = Bench(self.stages, cache, sources, errand.device)
        return last

    def ears(self) -> Ears:
        def started() -> None:
            self.news = msgspec.structs.replace(self.news, begun=True)

        def progress(fraction: float, label: str) -> None:
            self.news = msgspec.structs.replace(self.news, fraction=float(fraction), label=label)

        def warn(sentence: str) -> None:
            self.news = msgspec.structs.replace(self.news, warned=(*self.news.warned, sentence))

        return Ears(started, progress, warn)
