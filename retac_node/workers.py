"""The node's worker processes: one per device, started again when one dies, stopped when it must be.  Knows no job.

Nothing here waits: a worker is told things through a pipe, and what it says is read when there is something to read.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from retac_node.config import ENVIRONMENT
from retac_node.pipe import Closed, GiveWay, Pipe, PipeMessage, Ready, Start, Stop, ToPool, pair

PATIENCE = 1.2  # seconds that a worker has to stop by itself
PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds before a worker that died before it was ready is started again
CRAFT = "retac_node.worker:CRAFT"
BEGIN = "from retac_node.worker import main; main()"  # as a module of its name, which the craft may import


@dataclass(frozen=True)
class Setting:
    """What every worker is started with."""

    home: Path
    scratch: Path  # the folder of their own folders
    limits: Mapping[str, float]  # the fields of limits.Limits
    craft: str = CRAFT
    work: Path | None = None  # the cache's folder; None: the installation's
    executor: str = "local"  # who makes the tasks, executors.NAMES
    ray_address: str = ""


@dataclass(frozen=True)
class Died:
    """The last that is heard of a worker: its process is gone, and what it held is free."""

    how: str  # "out of memory", "killed" by somebody, "crashed", or "ended" by its own will
    signal: int


@dataclass(eq=False)
class Worker:
    number: int  # its place among the devices
    device: str  # "cpu", "cuda:0" ...
    process: subprocess.Popen[bytes]
    pipe: Pipe
    scratch: Path
    kills: int  # of processes by the kernel for want of memory, when this one began
    ready: bool = False
    job: str = ""  # that it runs
    stopping: float | None = None  # time.monotonic() at which it is killed
    giving_way: bool = False

    @property
    def free(self) -> bool:
        return self.ready and not self.job and self.stopping is None


@dataclass
class Pool:
    devices: tuple[str, ...]
    setting: Setting
    workers: dict[int, Worker] = field(default_factory=dict)  # by place; one that is gone is missing
    leaving: list[Worker] = field(default_factory=list)  # killed, not gone yet
    due: dict[int, float] = field(default_factory=dict)  # place -> when to start the next one
    failures: dict[int, int] = field(default_factory=dict)  # place -> workers in a row that never were ready
    started: int = 0
    closing: bool = False

    def __post_init__(self) -> None:
        for number in range(len(self.devices)):
            self.spawn(number)

    # ---- what a worker does

    def free(self) -> Worker | None:
        return next((worker for worker in self.workers.values() if worker.free), None)

    def running(self, job: str) -> Worker | None:
        return next((worker for worker in self.workers.values() if worker.job == job), None)

    def start(self, worker: Worker, start: Start) -> None:
        worker.job, worker.giving_way = start.job, False
        self.send(worker, start)

    def stop(self, worker: Worker) -> None:
        """Has a worker give up its job and end: politely, and by force when its time is over."""
        if worker.stopping is None:
            worker.stopping = time.monotonic() + PATIENCE
            self.send(worker, Stop())

    def give_way(self, worker: Worker) -> None:
        if not worker.giving_way:
            worker.giving_way = True
            self.send(worker, GiveWay())

    def send(self, worker: Worker, message: PipeMessage) -> None:
        try:
            worker.pipe.send(message)
        except Closed:
            self.kill(worker)

    # ---- what it says

    def receive(self, worker: Worker) -> Iterator[PipeMessage]:
        """Yields what a worker has said.  One whose pipe is closed is on its way out."""
        try:
            for message in worker.pipe.receive():
                if isinstance(message, Ready):
                    worker.ready, self.failures[worker.number] = True, 0
                else:
                    yield message
        except Closed:
            self.kill(worker)

    def tick(self) -> Iterator[tuple[Worker, Died]]:
        """Does what is due, and yields the workers that are gone."""
        now = time.monotonic()
        for worker in list(self.workers.values()):
            if worker.stopping is not None and now >= worker.stopping:
                self.kill(worker)
        for worker in [worker for worker in self.leaving if worker.process.poll() is not None]:
            self.leaving.remove(worker)
            self.arrange(worker, now)
            yield worker, post_mortem(worker)
        for number in [number for number, when in self.due.items() if now >= when and not self.closing]:
            del self.due[number]
            self.spawn(number)

    def wait(self) -> float:
        """Gives how long nothing will be due, seconds."""
        times = [worker.stopping for worker in self.workers.values() if worker.stopping is not None]
        until = min([*times, *self.due.values()], default=time.monotonic() + 60) - time.monotonic()
        return max(0.0, min(until, 0.01 if self.leaving else 60.0))

    def close(self) -> None:
        """Kills what is left, and waits for it."""
        self.closing = True
        for worker in list(self.workers.values()):
            self.kill(worker)
        for worker in self.leaving:
            worker.process.wait()

    # ---- processes

    def spawn(self, number: int) -> None:
        device, setting = self.devices[number], self.setting
        self.started += 1
        scratch = setting.scratch / str(self.started)
        ours, theirs = pair(ToPool)
        command = (
            sys.executable, "-c", BEGIN, "--pipe", str(theirs.fileno()), "--device",
            device.partition(":")[0], "--scratch", str(scratch), "--craft", setting.craft,
            "--limits", msgspec.json.encode(setting.limits).decode(),
            "--executor", setting.executor, "--ray-address", setting.ray_address,
            *(() if setting.work is None else ("--work", str(setting.work))),
        )  # fmt: skip
        process = subprocess.Popen(  # noqa: S603  a fixed list of arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),
            env=environment(device, setting.home),
            pass_fds=(theirs.fileno(),),
            start_new_session=True,  # Ctrl-C is the node's
        )
        theirs.close()
        self.workers[number] = Worker(number, device, process, ours, scratch, kills_for_memory())

    def kill(self, worker: Worker) -> None:
        """Ends a process at once, with all that it started; `tick` tells when it is gone."""
        if self.workers.get(worker.number) is worker:
            del self.workers[worker.number]
            self.leaving.append(worker)
            worker.pipe.close()
            with suppress(ProcessLookupError):
                os.killpg(worker.process.pid, signal.SIGKILL)

    def arrange(self, worker: Worker, now: float) -> None:
        """Sets when the next worker takes the place of one that is gone."""
        failures = 0 if worker.ready else self.failures.get(worker.number, 0) + 1
        self.failures[worker.number] = failures
        self.due[worker.number] = now + (min(PAUSE * 2**failures, LONGEST_PAUSE) if failures else 0.0)


def environment(device: str, home: Path) -> dict[str, str]:
    """Gives a worker's: it sees its own device and no other."""
    cards = device.partition(":")[2] if device.startswith("cuda") else ""
    return {**os.environ, ENVIRONMENT: str(home), "CUDA_VISIBLE_DEVICES": cards}


def post_mortem(worker: Worker) -> Died:
    code = worker.process.returncode or 0
    number = max(0, -code)
    if worker.stopping is not None or code == 0:
        return Died("ended", number)
    if number in (signal.SIGKILL, signal.SIGTERM):
        return Died("out of memory" if kills_for_memory() > worker.kills else "killed", number)
    return Died("crashed", number)


def kills_for_memory() -> int:
    """Gives how many processes this machine has killed for want of memory since it was started."""
    try:
        with open("/proc/vmstat") as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0
