"""Which job runs on which worker, and what becomes of one that ends, is cancelled, gives way or takes its worker along.

Never waits and never writes to a disk itself: `Jobs.commit` does.
"""

import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from retac_shared.jobs import Part, State

from retac_node.blobs import Blobs
from retac_node.errors import RetacError
from retac_node.jobs import Job, Jobs
from retac_node.journal import note
from retac_node.pipe import Ended, Made, PipeMessage, Start, Told, Warned, Working
from retac_node.workers import Died, Pool, Worker

TRIES = {"crashed": 2, "out of memory": 2, "broken": 3, "killed": 6}  # in a row without getting on; then it fails
WORDS = {
    "crashed": "its worker process crashed (signal {signal})",
    "out of memory": "the machine ran out of memory",
    "killed": "its worker process was killed (signal {signal})",
    "broken": "files of the work folder went away",
}


@dataclass
class Schedule:
    jobs: Jobs
    pool: Pool
    blobs: Blobs
    verdicts: dict[str, str] = field(default_factory=dict)  # job that the node itself stopped -> why it fails
    counts: Counter[str] = field(default_factory=Counter)  # since the node was started
    closing: bool = False

    # ---- what a client asks for

    def cancel(self, job: Job) -> None:
        """Ends a job; one that runs has ended when its worker is gone.  Cancelling twice is cancelling once."""
        if job.state == "queued":
            self.move(job, "cancelled")
        elif job.state == "running" and not job.cancelling:
            job.cancelling, job.doing = True, "stopping"
            self.jobs.touch(job)
            self.stop(job)

    def resume(self, job: Job) -> None:
        """Queues a job that has ended again; one that is done only where files of it are gone."""
        if job.state == "running" and job.cancelling:
            job.cancelling, job.doing = False, ""
            self.jobs.touch(job)
        elif job.state in ("failed", "cancelled") or (job.state == "done" and not self.whole(job)):
            self.move(job, "queued")

    def whole(self, job: Job) -> bool:
        return all(self.blobs.size(part.sha256) is not None for part in self.jobs.parts(job))

    # ---- what a worker says

    def hear(self, worker: Worker, message: PipeMessage) -> None:
        job = self.jobs.all.get(worker.job)
        if job is None or job.state != "running":
            return
        if isinstance(message, Told):
            self.jobs.tell(job, message.stage, "stopping" if job.cancelling else message.doing, message.fraction)
        elif isinstance(message, Working):
            self.jobs.tell(job, message.stage, "stopping" if job.cancelling else "", job.fraction)
        elif isinstance(message, Warned):
            self.jobs.warn(job, message.sentence)
        elif isinstance(message, Made):
            self.take(job, message)
        elif isinstance(message, Ended):
            self.settle(worker, job, message)

    def take(self, job: Job, made: Made) -> None:
        """Takes in a file that a worker has made."""
        path = Path(made.path)
        try:
            blob = self.blobs.add(path, made.sha256)
        except (RetacError, OSError) as error:
            self.verdicts.setdefault(job.id, str(error))
            self.stop(job)
        else:
            self.jobs.add_part(job, Part(made.name, blob.sha256, blob.size))
        with suppress(OSError):
            path.unlink()

    def settle(self, worker: Worker, job: Job, ended: Ended) -> None:
        """Does what follows from a job's end; one that was stopped has ended when its worker is gone."""
        self.counts["tasks"] += ended.ran
        self.counts["tasks_cached"] += ended.cached
        if ended.trace:
            note("mistake", "error", job=job.id, how=ended.how, trace=ended.trace)
        if ended.how == "stopped":
            return
        worker.job = ""
        if ended.how == "done" and job.id not in self.verdicts:
            self.move(job, "done")
        elif job.cancelling:
            self.move(job, "cancelled")
        elif ended.how == "gave way":
            self.move(job, "queued")
        elif ended.how == "broken":
            self.try_again(job, Died("broken", 0))
        else:
            self.move(job, "failed", self.verdicts.pop(job.id, "") or ended.error)

    def bury(self, worker: Worker, died: Died) -> None:
        """Does what follows from a worker's end."""
        self.counts["workers_gone"] += 1
        note(
            "worker gone",
            "info" if died.how == "ended" else "warning",
            device=worker.device,
            how=died.how,
            job=worker.job,
        )
        job = self.jobs.all.get(worker.job)
        if job is None or job.state != "running":
            return
        if job.cancelling:
            self.move(job, "cancelled")
        elif job.id in self.verdicts:
            self.move(job, "failed", self.verdicts.pop(job.id))
        elif died.how == "ended":
            self.move(job, "queued")
        else:
            self.try_again(job, died)

    def try_again(self, job: Job, died: Died) -> None:
        """Queues a job whose worker died, unless that happens again and again at the same place."""
        if job.fraction > job.furthest:
            job.tries, job.furthest = 0, job.fraction
        job.tries += 1
        if job.tries < TRIES[died.how]:
            self.move(job, "queued")
            return
        where = f" in stage {job.stage}" if job.stage else ""
        what = WORDS[died.how].format(signal=died.signal) + where
        self.move(
            job,
            "failed",
            f"{what}, {job.tries} times at the same place; give a shorter or smaller clip, or resume",
        )

    # ---- who runs

    def tick(self) -> None:
        """Buries workers that are gone, and gives free ones work."""
        for worker, died in self.pool.tick():
            self.bury(worker, died)
        while not self.closing and self.jobs.queue and (free := self.pool.free()) is not None:
            self.start(free, self.jobs.queue[0])
        if self.jobs.queue and not self.closing:
            self.make_way(self.jobs.queue[0])

    def start(self, worker: Worker, job: Job) -> None:
        missing = [sha256 for sha256 in job.order.files() if self.blobs.size(sha256) is None]
        if missing:
            self.move(job, "failed", f"the file {missing[0][:12]}... is not on the node any more; submit the job again")
            return
        files = {sha256: str(self.blobs.path(sha256)) for sha256 in job.order.files()}
        parts = self.jobs.parts(job)
        have = tuple(part.name for part in parts if self.blobs.size(part.sha256) is not None)
        self.move(job, "running")
        self.pool.start(worker, Start(job.id, job.order, files, have))

    def make_way(self, waiting: Job) -> None:
        """Has the least of the running jobs give way to one that comes before it, where no worker is about to be free."""
        workers = list(self.pool.workers.values())
        if len(workers) < len(self.pool.devices) or any(not w.job or w.giving_way or w.stopping for w in workers):
            return
        last = max(workers, key=lambda worker: self.jobs.all[worker.job].rank)
        if self.jobs.all[last.job].priority < waiting.priority:
            self.pool.give_way(last)

    def stop(self, job: Job) -> None:
        worker = self.pool.running(job.id)
        if worker is not None:
            self.pool.stop(worker)

    def close(self) -> None:
        """Has every worker stop: what ran is queued when its worker is gone."""
        self.closing = self.pool.closing = True
        for worker in list(self.pool.workers.values()):
            if worker.job:
                self.pool.stop(worker)
            else:
                worker.stopping = time.monotonic()  # it has nothing to stop

    @property
    def closed(self) -> bool:
        return not self.pool.workers and not self.pool.leaving

    def move(self, job: Job, state: State, error: str = "") -> None:
        self.jobs.move(job, state, error)
        self.verdicts.pop(job.id, None)
        self.counts[f"jobs_{state}"] += 1
        values = {"error": error} if error else {}
        note(
            "job", job=job.id, owner=job.owner, goal=job.order.goal, state=state, seconds=round(job.ran(), 2), **values
        )
