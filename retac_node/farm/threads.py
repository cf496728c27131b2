"""Workers that are threads of this process, for jobs whose tasks are made elsewhere: they wait, and compute nothing.

They take the place of worker processes where all jobs share one executor, as that of a Ray cluster.
"""

import socket
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from queue import SimpleQueue
from threading import Thread
from typing import Any

from retac_node import pipe
from retac_node.engine.make import Executor
from retac_node.limits import Limits
from retac_node.pipe import Pipe, Ready, Start
from retac_node.worker import Boss, Craft, Place, Shelf, perform
from retac_node.workers import Pool, Setting, Worker


class Ear(Boss):
    """A worker's end of the pipe.  When the other end is gone it stops its job, and never the process."""

    jobs: SimpleQueue[Start | None]  # type: ignore[assignment]  # None: there will be no more

    def listen(self) -> None:
        try:
            while True:
                for message in self.pipe.receive():
                    self.hear(message)
        except pipe.Closed:
            self.stop.set()
            self.jobs.put(None)


@dataclass(frozen=True)
class Strand:
    """A thread where the pool looks for a process: one that was given up is gone for the pool, whatever it is at."""

    returncode: int = 0

    def poll(self) -> int:
        return self.returncode

    def wait(self) -> int:
        return self.returncode


class Threads(Pool):
    """The pool, with a thread for each worker."""

    def __init__(self, count: int, setting: Setting, executor: Executor) -> None:
        self.executor = executor
        super().__init__(("thread",) * count, setting)

    def spawn(self, number: int) -> None:
        self.started += 1
        setting, scratch = self.setting, self.setting.scratch / str(self.started)
        module, _, name = setting.craft.partition(":")
        craft: Craft = getattr(import_module(module), name)
        bounds = Limits(**setting.limits)  # type: ignore[arg-type]
        ours, theirs = pipe.pair(pipe.ToPool)
        place = Place(craft, "cpu", scratch, bounds, Shelf(setting.work), self.executor)
        strand: Any = Strand()
        self.workers[number] = Worker(number, self.devices[number], strand, ours, scratch, kills=0)
        Thread(target=serve, args=(theirs, place), name=f"worker {self.started}", daemon=True).start()

    def kill(self, worker: Worker) -> None:
        """Gives a worker up: its job stops at the next tick, and nobody listens to it any more."""
        if self.workers.get(worker.number) is worker:
            del self.workers[worker.number]
            self.leaving.append(worker)
            worker.pipe.close()


def serve(end: socket.socket, place: Place) -> None:
    """Runs jobs until one of them was stopped or made a mistake, or nobody is there any more."""
    ear = Ear(Pipe(end, pipe.ToWorker))
    ear.tell(Ready())
    while (start := ear.jobs.get()) is not None:
        ended = perform(start, ear, place)
        ear.tell(ended)
        if ended.how not in pipe.UNHARMED:
            break
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # wakes the thread that listens
