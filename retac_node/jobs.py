"""The node's jobs: which there are, in what state, in what order they run, and what they have made.  Knows no socket.

What is true lies in memory; every change is written to SQLite (write-ahead log) by `commit`, and nobody may be told of
a change before that: it then outlives a kill of the node.  New jobs are synced as well, so they outlive a power cut;
what else that takes back is found again in the cache.  A commit that fails loses nothing: the next one writes it all.
Durations come from the monotonic clock; the wall clock only gives `created`, which is shown and never runs backwards.
"""

import json
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from retac_shared.jobs import ENDED, JobStatus, Part, State, check_move
from retac_shared.order import Order

from retac_node.errors import BadInput, OutOfSpace

TICKS = 1 << 20  # changes between two moves that can be told apart
MAX_WARNINGS = 50  # of a job
TABLES = """
CREATE TABLE IF NOT EXISTS job (
    id TEXT PRIMARY KEY, owner TEXT, label TEXT, priority INTEGER, ordered BLOB, place INTEGER, created REAL,
    state TEXT, moves INTEGER, cancelling INTEGER, stage TEXT, fraction REAL, seconds REAL, parts INTEGER,
    warnings TEXT, error TEXT, tries INTEGER, furthest REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS part (
    job TEXT, place INTEGER, name TEXT, sha256 TEXT, size INTEGER, PRIMARY KEY (job, place)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS bytes ON part (sha256);
"""
COLUMNS = (
    "id", "owner", "label", "priority", "ordered", "place", "created", "state", "moves", "cancelling", "stage",
    "fraction", "seconds", "parts", "warnings", "error", "tries", "furthest",
)  # fmt: skip
PUT_JOB = f"INSERT OR REPLACE INTO job VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608  no value is in it
PUT_PART = "INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)"


@dataclass(eq=False)
class Job:
    id: str
    owner: str
    label: str
    priority: int
    order: Order
    place: int  # in the queue, among those of the same priority
    created: float  # seconds since 1970
    state: State = "queued"
    moves: int = 0  # changes of state so far
    cancelling: bool = False  # its worker was told to stop, and it will not run again
    stage: str = ""
    doing: str = ""
    fraction: float = 0.0
    seconds: float = 0.0  # that it ran before it was last started
    parts: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""
    tries: int = 0  # workers that died of it since it last got on
    furthest: float = 0.0  # fraction at which a worker last died of it
    ticks: int = 0  # changes since the last move; not kept
    began: float | None = None  # time.monotonic() of its last start; not kept

    @property
    def rank(self) -> tuple[int, int]:
        """The smallest runs first."""
        return -self.priority, self.place

    @property
    def change(self) -> int:
        return self.moves * TICKS + min(self.ticks, TICKS - 1)

    def ran(self) -> float:
        return self.seconds + (time.monotonic() - self.began if self.began is not None else 0.0)

    def row(self) -> tuple[object, ...]:
        values = {**vars(self), "ordered": msgspec.msgpack.encode(self.order), "warnings": json.dumps(self.warnings)}
        return tuple(values[name] for name in COLUMNS)


@dataclass
class Jobs:
    """The table.  One process has it open; raises BadInput for a file that is no table of jobs."""

    file: Path
    keep: int  # ended jobs
    all: dict[str, Job] = field(default_factory=dict)  # in the order of their creation
    queue: list[Job] = field(default_factory=list)  # queued ones, by rank
    ranks: dict[str, int] = field(default_factory=dict)  # place in the queue by job, worked out when asked for
    changed: dict[str, Job] = field(default_factory=dict)  # not written yet
    removed: list[str] = field(default_factory=list)
    made: dict[str, list[Part]] = field(default_factory=dict)  # parts of jobs that have not ended, or not durably
    unwritten: list[tuple[str, int, Part]] = field(default_factory=list)  # job, place, part
    news: list[Job] = field(default_factory=list)  # changed since somebody who tells of it cleared this
    places: int = 0
    latest: float = 0.0  # the last `created`

    def __post_init__(self) -> None:
        try:
            self.disk = sqlite3.connect(self.file, isolation_level=None)
            self.disk.executescript("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 5000;" + TABLES)
            for row in self.disk.execute(f"SELECT {', '.join(COLUMNS)} FROM job ORDER BY created"):  # noqa: S608
                job = read(dict(zip(COLUMNS, row, strict=True)))
                self.all[job.id] = job
        except (sqlite3.Error, msgspec.MsgspecError, ValueError) as error:
            raise BadInput(f"the table of jobs {self.file} cannot be read ({error}); move it away") from error
        self.recover()

    def recover(self) -> None:
        """What ran when the node ended is queued again, in its old place."""
        self.places = max((job.place for job in self.all.values()), default=0)
        self.latest = max((job.created for job in self.all.values()), default=0.0)
        for job in self.all.values():
            if job.state == "running":
                self.move(job, "cancelled" if job.cancelling else "queued")
            elif job.state == "queued":
                self.queue.append(job)
            if job.state not in ENDED:
                self.made[job.id] = list(self.stored(job.id, 0, -1))
        self.queue.sort(key=lambda job: job.rank)

    # ---- changes

    def add(self, job: str, owner: str, label: str, priority: int, order: Order) -> Job:
        self.places += 1
        self.latest = max(time.time(), self.latest + 1e-6)
        new = Job(job, owner, label, priority, order, self.places, self.latest)
        self.all[job] = self.changed[job] = new
        self.made[job] = []
        self.enqueue(new)
        self.forget()
        return new

    def move(self, job: Job, state: State, error: str = "") -> None:
        """Brings a job to another state.  Raises IllegalMove."""
        check_move(job.state, state)
        if job in self.queue:
            self.queue.remove(job)
            self.ranks = {}
        if job.state in ENDED:
            job.fraction, job.tries, job.furthest, job.seconds, job.warnings = 0.0, 0, 0.0, 0.0, ()
            self.made.setdefault(job.id, list(self.stored(job.id, 0, -1)))
        job.seconds, job.began = job.ran(), time.monotonic() if state == "running" else None
        job.state, job.error, job.moves, job.ticks = state, error, job.moves + 1, 0
        job.stage, job.doing, job.cancelling = "", "", False
        if state == "queued":
            self.enqueue(job)
        if state == "done":
            job.fraction = 1.0
        self.news.append(job)
        self.changed[job.id] = job

    def tell(self, job: Job, stage: str, doing: str, fraction: float) -> None:
        """Notes how far a running job is: in memory only."""
        job.stage, job.doing, job.fraction = stage, doing, max(job.fraction, min(fraction, 1.0))
        job.ticks += 1
        self.news.append(job)

    def warn(self, job: Job, sentence: str) -> None:
        if sentence not in job.warnings and len(job.warnings) < MAX_WARNINGS:
            job.warnings = (*job.warnings, sentence)
            self.touch(job)

    def touch(self, job: Job) -> None:
        """Has a changed job written, and told."""
        job.ticks += 1
        self.news.append(job)
        self.changed[job.id] = job

    def add_part(self, job: Job, part: Part) -> None:
        """Adds a file to those the job has made; the same file again changes nothing."""
        if part in self.made[job.id]:
            return
        self.unwritten.append((job.id, job.parts, part))
        self.made[job.id].append(part)
        job.parts += 1
        self.touch(job)

    @property
    def dirty(self) -> bool:
        return bool(self.changed or self.unwritten or self.removed)

    def commit(self) -> None:
        """Makes every change durable.  Raises OutOfSpace; then nothing is written, and nothing forgotten."""
        if not self.dirty:
            return
        new = any(job.moves == 0 for job in self.changed.values())
        try:
            self.disk.execute(f"PRAGMA synchronous = {'FULL' if new else 'NORMAL'}")
            with self.disk:
                self.disk.execute("BEGIN IMMEDIATE")
                self.disk.executemany(PUT_JOB, [job.row() for job in self.changed.values()])
                self.disk.executemany(PUT_PART, [(job, n, p.name, p.sha256, p.size) for job, n, p in self.unwritten])
                self.disk.executemany("DELETE FROM job WHERE id = ?", [(job,) for job in self.removed])
                self.disk.executemany("DELETE FROM part WHERE job = ?", [(job,) for job in self.removed])
        except sqlite3.OperationalError as error:
            raise OutOfSpace(f"{self.file} cannot be written ({error}); free some space on its disk") from error
        for job in self.changed.values():
            if job.state in ENDED:
                self.made.pop(job.id, None)
        self.changed, self.unwritten, self.removed = {}, [], []

    # ---- questions

    def ahead(self, job: Job) -> int:
        """Gives how many jobs run before this queued one; 0 for another."""
        if len(self.ranks) != len(self.queue):
            self.ranks = {other.id: n for n, other in enumerate(self.queue)}
        return self.ranks.get(job.id, 0)

    def status(self, job: Job) -> JobStatus:
        return JobStatus(
            job.id, job.label, job.owner, job.order.goal, job.state, job.priority, job.change, job.created, job.stage,
            job.doing, job.fraction, self.ahead(job), job.ran(), job.parts, job.warnings,
            job.error,
        )  # fmt: skip

    def unended(self, owner: str | None = None) -> int:
        jobs = (self.all[name] for name in self.made)
        return sum(job.state not in ENDED and (owner is None or job.owner == owner) for job in jobs)

    def newest(self, owner: str | None, before: float) -> Iterator[Job]:
        """Yields jobs, of one owner or of all, that were created before that time (0: ever)."""
        for job in reversed(self.all.values()):
            if (owner is None or job.owner == owner) and (not before or job.created < before):
                yield job

    def parts(self, job: Job, first: int = 0, count: int = -1) -> tuple[Part, ...]:
        """Gives the files that a job has made from the first on, in their order; -1: all."""
        if job.id in self.made:
            return tuple(self.made[job.id][first : first + count if count >= 0 else None])
        return tuple(self.stored(job.id, first, count))

    def stored(self, job: str, first: int, count: int) -> Iterator[Part]:
        """Reads parts from the disk."""
        ask = "SELECT name, sha256, size FROM part WHERE job = ? ORDER BY place LIMIT ? OFFSET ?"
        yield from (Part(*row) for row in self.disk.execute(ask, (job, count, first)))

    def concerns(self, owner: str, sha256: str) -> bool:
        """Tells whether a job of that owner reads the file or has made it."""
        ask = "SELECT 1 FROM part JOIN job ON part.job = job.id WHERE part.sha256 = ? AND job.owner = ? LIMIT 1"
        if self.disk.execute(ask, (sha256, owner)).fetchone() is not None:
            return True
        return any(sha256 in job.order.files() for job in self.all.values() if job.owner == owner)

    def files(self) -> set[str]:
        """Gives the sha256 of each file that a job that has not ended reads or has made."""
        jobs = [self.all[name] for name in self.made if self.all[name].state not in ENDED]
        given = {sha256 for job in jobs for sha256 in job.order.files()}
        return given | {part.sha256 for job in jobs for part in self.made[job.id]}

    # ---- within

    def enqueue(self, job: Job) -> None:
        place = next((n for n, other in enumerate(self.queue) if job.rank < other.rank), len(self.queue))
        self.queue.insert(place, job)
        self.ranks = {}

    def forget(self) -> None:
        """Removes the oldest ended jobs over the limit."""
        over = len(self.all) - len(self.made) - self.keep
        if over > 0:
            for job in [job for job in self.all.values() if job.state in ENDED][:over]:
                del self.all[job.id]
                self.made.pop(job.id, None)
                self.changed.pop(job.id, None)
                self.removed.append(job.id)


def read(row: dict[str, Any]) -> Job:
    """Makes a job of a row of the table."""
    order = msgspec.msgpack.decode(row.pop("ordered"), type=Order)
    warnings = tuple(json.loads(row.pop("warnings")))
    return Job(**{**row, "order": order, "warnings": warnings, "cancelling": bool(row["cancelling"])})
