"""What the node answers to each message of a client: who may do what, and within which bounds.  Knows no socket.

A client sees its own jobs and no other's: of those it hears the same words as of jobs that do not exist.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import metadata
from traceback import format_exception
from typing import Any

from retac_shared.jobs import ENDED
from retac_shared.messages import (
    BEAT,
    PAGE,
    VERSION,
    WINDOW,
    Ask,
    Beat,
    Cancel,
    Chunk,
    Credit,
    Done,
    Get,
    Hello,
    List,
    Message,
    Metrics,
    Put,
    Refused,
    Resume,
    Status,
    Submit,
    Unwatch,
    Watch,
    Welcome,
)
from retac_shared.messages import Jobs as Listed

from retac_node.blobs import Blobs
from retac_node.errors import RetacError
from retac_node.jobs import Job, Jobs
from retac_node.journal import note
from retac_node.nodeconfig import NodeConfig
from retac_node.schedule import Schedule
from retac_node.sessions import MAX_ANSWERS, MAX_GETS, Getting, Putting, Session, Watching

APPLICATION = f"retac {metadata.version('retac')}"
FORGET = 10.0  # seconds of silence after which a client is taken for gone
MISTAKES = 50  # messages that are none, after which a client is dropped
HALF = WINDOW // 2
UNKNOWN = "there is no such job; see: retac jobs"


class No(Exception):
    """The answer is a refusal, in one sentence."""


@dataclass
class Reception:
    settings: NodeConfig
    jobs: Jobs
    blobs: Blobs
    schedule: Schedule
    sessions: dict[bytes, Session] = field(default_factory=dict)
    full: str = ""  # why nothing new is taken in, while that is so
    started: float = field(default_factory=time.monotonic)
    bytes_in: int = 0
    bytes_out: int = 0
    messages: int = 0

    # ---- coming and going

    def greet(self, peer: bytes, key: str, owner: str, role: str, hello: Hello) -> Message:
        """Lets a client in, or says why not."""
        if hello.version != VERSION:
            return Refused(
                0,
                f"this node is {APPLICATION} with protocol {VERSION}, and the client is {hello.application} with "
                f"protocol {hello.version}; install the same release on both",
            )
        if peer not in self.sessions and len(self.sessions) >= self.settings.session_limit:
            return Refused(0, f"{len(self.sessions)} clients are connected and no more are let in; try again later")
        self.sessions[peer] = Session(peer, key, owner, role)
        limit = self.settings.file_limit_bytes
        return Welcome(VERSION, APPLICATION, owner, role, self.settings.devices, limit)

    def hear(self, session: Session, message: Any, payload: memoryview) -> None:
        """Does what a client says, and answers.  One of the borders: a client's message never harms the node."""
        session.heard = time.monotonic()
        self.messages += 1
        if isinstance(message, Beat | Hello):
            return
        try:
            answer = self.chunk(session, message, payload) if isinstance(message, Chunk) else self.do(session, message)
        except (No, RetacError, ValueError) as error:
            answer = self.refuse(session, message, str(error))
        except Exception as error:
            note("mistake", "error", message=type(message).__name__, trace="".join(format_exception(error, limit=-6)))
            answer = self.refuse(session, message, "the node made a mistake; its log says where")
        if answer is not None:
            session.answer(answer)

    def refuse(self, session: Session, message: Any, sentence: str) -> Message:
        if isinstance(message, Chunk):
            session.puts.pop(message.request, None)
        return Refused(message.request, sentence)

    def do(self, session: Session, message: Any) -> Message | None:
        return ANSWERS[type(message)](self, session, message)

    def mistake(self, session: Session, sentence: str) -> None:
        session.mistakes += 1
        session.answer(Refused(0, sentence))

    def tick(self) -> None:
        """Forgets clients that went away, lets the others know that the node is there, and ends uploads."""
        now = time.monotonic()
        for session in list(self.sessions.values()):
            gone = now - session.heard > FORGET or len(session.answers) > MAX_ANSWERS or session.mistakes > MISTAKES
            if gone:
                del self.sessions[session.peer]
            elif now - session.beaten >= BEAT:
                session.beaten = now
                session.answer(Beat())
                queued = (request for request, watch in session.watches.items() if watch.job.state == "queued")
                session.fresh.update(dict.fromkeys(queued))  # their place in the queue may have changed
            if session.puts:
                self.end_uploads(session)

    @property
    def uploading(self) -> bool:
        return any(session.puts for session in self.sessions.values())

    # ---- jobs

    def find(self, session: Session, name: str) -> Job:
        job = self.jobs.all.get(name)
        if job is None or session.sees not in (None, job.owner):
            raise No(UNKNOWN)
        return job

    def submit(self, session: Session, message: Submit) -> Message:
        known = self.jobs.all.get(message.job)
        if known is not None:
            if known.owner != session.owner or known.order != message.order:
                raise No("another job has this number; draw a new one")
            return Status(message.request, self.jobs.status(known))
        self.check_order(session, message)
        job = self.jobs.add(message.job, session.owner, message.label, message.priority, message.order)
        self.schedule.counts["jobs_submitted"] += 1
        return Status(message.request, self.jobs.status(job))

    def check_order(self, session: Session, message: Submit) -> None:
        self.check_open()
        settings = self.settings
        if settings.require_consent and not message.order.consent.strip():
            raise No("this node takes no job without a reference to the person's consent; give it with --consent")
        if self.jobs.unended() >= settings.queue_limit:
            raise No(f"{settings.queue_limit} jobs wait already; send this one again when some have ended")
        if self.jobs.unended(session.owner) >= settings.queue_limit_per_client:
            raise No(f"{settings.queue_limit_per_client} of your jobs wait already; send this one again later")
        missing = [sha256 for sha256 in message.order.files() if self.blobs.size(sha256) is None]
        if missing:
            raise No(f"the node does not have the file {missing[0]}; send it first")

    def check_open(self) -> None:
        if self.schedule.closing:
            raise No("the node is about to stop; try again when it is back")
        if self.full:
            raise No(self.full)

    def watch(self, session: Session, message: Watch) -> Message | None:
        job = self.find(session, message.job)
        if message.request not in session.watches and len(session.watches) >= self.settings.watch_limit:
            raise No(f"{len(session.watches)} jobs are watched already; leave some")
        session.watches[message.request] = Watching(job, min(message.parts, job.parts))
        session.fresh[message.request] = None
        return None

    def unwatch(self, session: Session, message: Unwatch) -> None:
        session.watches.pop(message.request, None)

    def cancel(self, session: Session, message: Cancel) -> Message:
        job = self.find(session, message.job)
        self.schedule.cancel(job)
        return Status(message.request, self.jobs.status(job))

    def resume(self, session: Session, message: Resume) -> Message:
        job = self.find(session, message.job)
        if job.state in ENDED:
            self.check_open()
        self.schedule.resume(job)
        return Status(message.request, self.jobs.status(job))

    def list(self, session: Session, message: List) -> Message:
        found: list[Job] = []
        for job in self.jobs.newest(session.sees, message.before):
            if len(found) > PAGE:
                break
            found.append(job)
        page = tuple(self.jobs.status(job) for job in found[:PAGE])
        return Listed(message.request, page, len(found) > PAGE)

    # ---- files

    def put(self, session: Session, message: Put) -> Message | None:
        """Lets a file come: from its beginning, or from where it broke off."""
        self.check_open()
        if message.request not in session.puts and len(session.puts) >= self.settings.upload_limit:
            raise No(f"{len(session.puts)} files are on their way already; send this one when one of them is here")
        here = self.blobs.begin(session.owner, message.sha256, message.size)
        put = Putting(message.sha256, message.size, min(here + WINDOW, message.size))
        session.puts[message.request] = put
        return Credit(message.request, here, put.granted - here) if put.granted > here else None

    def chunk(self, session: Session, message: Chunk, payload: memoryview) -> Message | None:
        put = session.puts.get(message.request)
        if put is None:  # what was on its way when the upload was refused
            return None
        end = message.offset + len(payload)
        self.bytes_in += len(payload)
        here = put.size if end > put.granted else self.blobs.write(session.owner, put.sha256, message.offset, payload)
        if end > put.granted or here < end:
            raise No("the bytes that came are not those that were asked for; begin the upload again")
        if put.granted < put.size and put.granted - here <= HALF:
            before, put.granted = put.granted, min(put.granted + HALF, put.size)
            return Credit(message.request, before, put.granted - before)
        return None

    def end_uploads(self, session: Session) -> None:
        """Answers for the files that are whole."""
        for request, put in list(session.puts.items()):
            try:
                right = self.blobs.finish(session.owner, put.sha256)
            except RetacError as error:
                answer: Message = Refused(request, str(error))
            else:
                if right is None:
                    continue
                wrong = Refused(request, "the bytes that came are not the file that was announced; send it again")
                answer = Done(request) if right else wrong
            del session.puts[request]
            session.answer(answer)

    def get(self, session: Session, message: Get) -> None:
        """Sends a piece of a file that one of the client's jobs reads or has made."""
        if len(session.gets) >= MAX_GETS:
            raise No(f"{MAX_GETS} pieces of files are asked for already; take them first")
        size = self.blobs.size(message.sha256)
        if size is None or not (session.sees is None or self.jobs.concerns(session.owner, message.sha256)):
            raise No("the node does not have this file; resume the job that made it")
        end = min(message.offset + message.count, size)
        session.gets.append(Getting(message.request, message.sha256, message.offset, max(end, message.offset), size))

    # ---- numbers

    def ask(self, session: Session, message: Ask) -> Message:
        """Tells the counts; those of jobs are of all clients, without a name."""
        return Metrics(message.request, self.metrics())

    def metrics(self) -> dict[str, float]:
        workers = self.schedule.pool.workers.values()
        states = [str(job.state) for job in self.jobs.all.values()]
        now = {f"retac_jobs_now_{state}": float(states.count(state)) for state in set(states) | {"queued", "running"}}
        totals = {f"retac_{name}_total": float(count) for name, count in self.schedule.counts.items()}
        return {
            "retac_up_seconds": time.monotonic() - self.started,
            "retac_sessions": float(len(self.sessions)),
            "retac_messages_total": float(self.messages),
            "retac_bytes_in_total": float(self.bytes_in),
            "retac_bytes_out_total": float(self.bytes_out),
            "retac_workers": float(len(workers)),
            "retac_workers_busy": float(sum(bool(worker.job) for worker in workers)),
            "retac_disk_full": float(bool(self.full)),
            **now,
            **totals,
        }


ANSWERS: dict[type, Callable[[Reception, Session, Any], Message | None]] = {
    Submit: Reception.submit,
    Watch: Reception.watch,
    Unwatch: Reception.unwatch,
    Cancel: Reception.cancel,
    Resume: Reception.resume,
    List: Reception.list,
    Put: Reception.put,
    Get: Reception.get,
    Ask: Reception.ask,
}
