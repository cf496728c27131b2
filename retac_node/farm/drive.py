"""Which shot of a batch runs on which worker process, and what becomes of one that goes wrong.  Never makes a picture.

Shots on one clip wait for the first of them to have solved and learnt, which the others then find in the cache.  A shot
that goes wrong stops no other.
"""

import select
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event as Flag
from typing import Any

from retac_node.errors import RetacError
from retac_node.farm import record, telling
from retac_node.farm.checks import Shot, sentence
from retac_node.farm.ledger import Entry
from retac_node.pipe import UNHARMED, Ended, PipeMessage, Shoot, Told, Working
from retac_node.schedule import WORDS
from retac_node.stages import STAGES
from retac_node.workers import Died, Pool, Worker

SILENT = 1800.0  # seconds without a sign of life after which a worker is taken for stuck
POLL = 0.2  # seconds between two looks at Ctrl-C
GRACE = 0.5  # seconds that workers have to stop by themselves
AFTER = "what was finished is kept, so run again with --resume"
STARTS = 3  # workers in a row that end before they are ready, after which there is no use in more
LEARNT = frozenset(row.name for row in STAGES.values() if "adapt" in row.inputs)  # they come when a person is learnt


class Stopped(Exception):
    """Ctrl-C."""


class Batch:
    """The shots under way: who works on which, which wait for what."""

    def __init__(
        self, entries: Sequence[Entry], pool: Pool, tell: Callable[[telling.Told], None], tries: int = 3
    ) -> None:
        self.pool, self.tell = pool, tell
        self.tries = tries  # attempts of a shot that fails for no fault of its own
        self.entries = {str(entry.checked.row): entry for entry in entries}  # by the name of its job
        self.queue = deque(entry for entry in entries if entry.state == "waiting")
        self.ended = sum(entry.ended for entry in entries)
        self.known: set[Any] = set()  # persons that some shot has learnt, as Shot.learnt
        self.learning: dict[Any, Entry] = {}  # persons that a shot learns just now

    def run(self, stopped: Flag, look: Callable[[], None]) -> None:
        """Works until every shot has ended; calls `look` again and again.  Raises Stopped, RetacError."""
        while self.ended < len(self.entries):
            if stopped.is_set():
                raise Stopped
            self.tick()
            self.listen()
            look()

    def listen(self) -> None:
        """Hears what workers say, or waits until something is due."""
        ends = {worker.pipe.end: worker for worker in self.pool.workers.values()}
        for end in select.select(list(ends), [], [], min(POLL, self.pool.wait()))[0]:
            for message in self.pool.receive(ends[end]):
                self.hear(ends[end], message)

    def tick(self) -> None:
        """Buries workers that are gone or stuck, and gives free ones work."""
        now = time.monotonic()
        for worker in [worker for worker in self.pool.workers.values() if worker.job]:
            if now - (entry := self.entries[worker.job]).heard > SILENT:
                entry.error = f"nothing was heard of it for {SILENT / 60:.0f} minutes"
                self.pool.kill(worker)
        for worker, died in self.pool.tick():
            self.bury(worker, died)
        if min(self.pool.failures.get(place, 0) for place in range(len(self.pool.devices))) >= STARTS:
            raise RetacError("no worker process could be started; what they said stands above")
        for worker in [worker for worker in self.pool.workers.values() if worker.free]:
            self.employ(worker)

    # ---- handing out

    def employ(self, worker: Worker) -> None:
        """Gives a free worker the first shot that has not failed on it; where all have, a fresh one takes its place."""
        ready = [entry for entry in self.queue if runnable(entry).learnt not in self.learning]
        entry = next((entry for entry in ready if name(worker) not in entry.avoid), None)
        if entry is not None:
            self.start(worker, entry)
        elif ready:
            self.pool.kill(worker)

    def start(self, worker: Worker, entry: Entry) -> None:
        self.queue.remove(entry)
        if (person := runnable(entry).learnt) not in self.known:
            self.learning[person] = entry
        entry.state, entry.stage, entry.fraction, entry.error = "running", "", 0.0, ""
        entry.began = entry.heard = time.monotonic()
        self.pool.start(worker, shoot(entry))
        self.tell(telling.Begun(entry.checked.row, entry.name, name(worker), 1 + len(entry.failures)))

    # ---- what workers say

    def hear(self, worker: Worker, message: PipeMessage) -> None:
        if not worker.job:
            return
        entry = self.entries[worker.job]
        entry.heard = time.monotonic()
        if isinstance(message, Working):
            entry.ran[message.stage] += 1
            entry.stage = message.stage
            if message.stage in LEARNT:
                self.learnt(entry)
        elif isinstance(message, Told):
            entry.fraction = message.fraction
            self.tell(telling.Stepped(entry.checked.row, message.stage, message.doing, message.fraction))
        elif isinstance(message, Ended):
            worker.job = ""
            self.settle(entry, worker, message)

    def settle(self, entry: Entry, worker: Worker, ended: Ended) -> None:
        """Does what follows from the end of an attempt.  A worker that it has harmed ends by itself."""
        if ended.how not in UNHARMED:
            self.pool.stop(worker)
        if ended.how == "done":
            self.learnt(entry)
            entry.record = record.read(runnable(entry).made.video)
            self.end(entry, "done", "")
        elif ended.how == "stopped":
            self.rest(entry, "waiting")
        elif not ended.trace:
            self.end(entry, "failed", sentence(ended.error))
        else:
            self.again(entry, worker, mistake(ended))

    def bury(self, worker: Worker, died: Died) -> None:
        """Does what follows from a worker's end."""
        if worker.job:
            entry = self.entries[worker.job]
            words = WORDS.get(died.how, "its worker process ended").format(signal=died.signal)
            self.again(entry, worker, entry.error or words)

    def again(self, entry: Entry, worker: Worker, reason: str) -> None:
        """Puts a shot at the end of the queue for another worker, unless it has failed often enough."""
        where = f"{reason} (in stage {entry.stage})" if entry.stage else reason
        entry.failures.append(where)
        entry.avoid.add(name(worker))
        if len(entry.failures) >= self.tries:
            often = f" and so have {self.tries} attempts failed, each on another worker" if self.tries > 1 else ""
            self.end(entry, "failed", f"{where}{often}; {AFTER}")
            return
        self.rest(entry, "waiting")
        self.queue.append(entry)
        self.tell(telling.Retried(entry.checked.row, entry.name, where, len(entry.failures)))

    def end(self, entry: Entry, state: Any, error: str) -> None:
        self.rest(entry, state)
        entry.error = error
        self.ended += 1
        told = entry.checked.row, entry.name, entry.state, error, round(entry.seconds, 2), self.ended, len(self.entries)
        self.tell(telling.Ended(*told))

    def rest(self, entry: Entry, state: Any) -> None:
        """Takes a shot from its worker; if it was learning a person for others, the next of them will."""
        entry.seconds += time.monotonic() - entry.began
        entry.state, entry.error = state, ""
        self.learning = {person: one for person, one in self.learning.items() if one is not entry}

    def learnt(self, entry: Entry) -> None:
        """Lets the others on the same person run."""
        self.known.add(runnable(entry).learnt)
        self.learning.pop(runnable(entry).learnt, None)

    def close(self) -> None:
        """Has the workers stop, by themselves if they do so at once; what ran waits for the next run."""
        self.pool.closing = True
        busy = [worker for worker in self.pool.workers.values() if worker.job]
        for worker in busy:
            self.pool.stop(worker)
        until = time.monotonic() + GRACE
        while any(worker.job for worker in busy) and self.pool.workers and time.monotonic() < until:
            self.listen()
        self.pool.close()
        for worker in busy:
            if worker.job:
                self.rest(self.entries[worker.job], "waiting")
                record.sweep(runnable(self.entries[worker.job]).made)


def runnable(entry: Entry) -> Shot:
    assert entry.checked.shot is not None, f"row {entry.checked.row} has faults and was to be run"
    return entry.checked.shot


def name(worker: Worker) -> str:
    """Tells a worker process from the one that takes its place."""
    return f"{worker.device}#{worker.scratch.name}"


def shoot(entry: Entry) -> Shoot:
    shot = runnable(entry)
    files = {sha256: str(path) for sha256, path in shot.files.items()}
    video, frames, mattes = (
        str(path.absolute()) if path else "" for path in (shot.made.video, shot.made.frames, shot.made.mattes)
    )
    return Shoot(str(entry.checked.row), shot.order, files, (), video, frames, mattes, shot.recipe)


def mistake(ended: Ended) -> str:
    """Words an end that no stage foresaw: what was raised stands in the last line of the trace."""
    last = ended.trace.strip().splitlines()[-1:] or [ended.error]
    return f"the program made a mistake: {last[0]:.300}" if ended.trace else ended.error
