"""`retac serve`: the node's socket and its one loop.  The only file of the node that touches a network.

One thread: it takes what clients and workers say, has it answered, makes every change durable, and only then sends.
Never runs a stage, never waits for anybody, and imports nothing heavy, so it is up at once.
"""

import os
import shutil
import signal
import time
from contextlib import suppress
from typing import Any

import zmq
from retac_shared import wire
from retac_shared.messages import CHUNK, Hello, Message, Refused, ToNode

from retac_node.alone import alone
from retac_node.blobs import Blobs
from retac_node.errors import BadInput, OutOfSpace
from retac_node.jobs import Jobs
from retac_node.journal import note
from retac_node.keys import Client, Keys, node_pair, zap_answer
from retac_node.nodeconfig import NodeConfig
from retac_node.reception import Reception
from retac_node.schedule import Schedule
from retac_node.sessions import Session
from retac_node.workers import CRAFT, Pool, Setting

LOCAL = Client("local", "admin")  # whoever can reach a loopback address without keys
ZAP = "inproc://zeromq.zap.01"
QUEUED = 64  # messages that wait in the socket for one client, or from one
SEALED = 256  # bytes that encryption adds to a frame, at most
TAKEN = 256  # messages that are heard before anything is sent
LONGEST_WAIT = 0.25  # seconds
RETRY = 0.005  # seconds until a full line is tried again
TOGETHER = 0.02  # seconds within which changes are written together
BALLAST = 1 << 24  # bytes kept on the disk, and given up to write the job table when it is full
LAST_WORD = 0.5  # seconds that what was sent last has to leave
GRACE = 5.0  # seconds that workers have to stop at the end


def serve(settings: NodeConfig, craft: str = CRAFT) -> None:
    """Runs the node until it is told to stop.  Raises BadInput where it cannot be started."""
    began = time.monotonic()
    with alone(settings.folder):
        node = Node(settings, craft)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: node.leave())
        note("up", bind=node.address, devices=settings.devices, curve=node.keys is not None, ms=ms_since(began))
        print(f"retac: the node listens on {node.address}; stop it with Ctrl-C", flush=True)
        try:
            node.run()
        finally:
            node.close()
    note("down")


class Node:
    """Everything that is open while the node runs."""

    def __init__(self, settings: NodeConfig, craft: str) -> None:
        self.settings = settings
        self.keys = Keys(settings.keys) if settings.keys is not None else None
        self.context = zmq.Context()
        self.zap = self.open_zap()
        self.socket, self.address = self.open_socket()
        folder = settings.folder
        shutil.rmtree(folder / "scratch", ignore_errors=True)
        self.ballast = folder / "ballast"
        self.blobs = Blobs(folder / "blobs", settings.blob_limit_bytes, settings.file_limit_bytes)
        self.blobs.recover()
        self.jobs = Jobs(folder / "jobs.db", settings.keep_jobs)
        self.blobs.hold(self.jobs.files)
        bounds, who = limits(settings), (settings.executor, settings.ray_address)
        self.pool = Pool(settings.devices, Setting(settings.home, folder / "scratch", bounds, craft, None, *who))
        self.schedule = Schedule(self.jobs, self.pool, self.blobs)
        self.reception = Reception(settings, self.jobs, self.blobs, self.schedule)
        self.blocked = False  # a line was full
        self.leaving: float | None = None  # time.monotonic() at which it ends at the latest
        self.committed = self.checked = float("-inf")

    # ---- the loop

    def run(self) -> None:
        while not (self.leaving and (self.schedule.closed or time.monotonic() > self.leaving)):
            self.listen()
            self.schedule.tick()
            self.reception.tick()
            if self.commit():
                self.speak()
        self.jobs.commit()

    def listen(self) -> None:
        """Hears clients and workers, or waits until something is due."""
        workers = {worker.pipe.end.fileno(): worker for worker in self.pool.workers.values()}
        lines: list[tuple[Any, int]] = [(self.socket, zmq.POLLIN), (self.zap, zmq.POLLIN)]
        lines += [(end, zmq.POLLIN) for end in workers]
        ready = dict(zmq.zmq_poll(lines, int(1000 * self.wait())))
        if self.zap in ready:
            self.let_in()
        for end, worker in workers.items():
            if end in ready:
                for message in self.pool.receive(worker):
                    self.schedule.hear(worker, message)
        if self.socket in ready:
            self.take()

    def wait(self) -> float:
        """Gives how long nothing will be due, seconds."""
        if self.jobs.dirty:
            return max(0.0, min(self.soon(), self.pool.wait()))
        if self.blocked or self.reception.uploading:
            return min(RETRY, self.pool.wait())
        if any(session.waits for session in self.reception.sessions.values()):
            return 0.0
        return min(LONGEST_WAIT, self.pool.wait())

    def take(self) -> None:
        """Takes the messages that have come, some at a time, so that answers are not late."""
        for _ in range(TAKEN):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self.hear(frames)

    def hear(self, frames: list[zmq.Frame]) -> None:
        """Finds out who speaks; whoever is not, or not any more, on the list of keys is not answered."""
        peer, session = frames[0].bytes, self.reception.sessions.get(frames[0].bytes)
        client, key = self.client(frames[-1])
        if client is None or (session is not None and (session.key, session.owner) != (key, client.name)):
            self.reception.sessions.pop(peer, None)
            return
        try:
            message, payload = wire.decode([frame.buffer for frame in frames[1:]], ToNode)
        except wire.BadMessage as error:
            self.puzzled(peer, session, str(error))
            return
        if isinstance(message, Hello):
            self.send(peer, self.reception.greet(peer, key, client.name, client.role, message))
        elif session is None:
            self.send(peer, Refused(0, "the node does not know this connection; say Hello first"))
        else:
            self.reception.hear(session, message, payload)

    def puzzled(self, peer: bytes, session: Session | None, sentence: str) -> None:
        if session is None:
            self.send(peer, Refused(0, sentence))
        else:
            self.reception.mistake(session, sentence)

    def client(self, frame: zmq.Frame) -> tuple[Client | None, str]:
        if self.keys is None:
            return LOCAL, ""
        try:
            key = str(frame.get("User-Id"))
        except zmq.ZMQError:
            return None, ""
        return self.keys.look_up(key), key

    def let_in(self) -> None:
        """Answers libzmq's question whether a new connection may be made."""
        with suppress(zmq.Again):
            frames = self.zap.recv_multipart(zmq.NOBLOCK)
            assert self.keys is not None, "without keys nobody asks"
            self.zap.send_multipart(zap_answer(frames, self.keys), zmq.NOBLOCK)

    def speak(self) -> None:
        """Sends each client what there is for it, as far as its line takes it."""
        self.blocked = False
        news = {id(job) for job in self.jobs.news}
        self.jobs.news.clear()
        for session in list(self.reception.sessions.values()):
            if news and session.watches:
                fresh = (request for request, watch in session.watches.items() if id(watch.job) in news)
                session.fresh.update(dict.fromkeys(fresh))
            if session.waits and self.allowed(session):
                line = Line(self, session.peer)
                self.blocked |= not session.pump(self.jobs, self.blobs, line.send)
                if line.gone:
                    self.reception.sessions.pop(session.peer, None)

    def allowed(self, session: Session) -> bool:
        """Tells whether a client's key is still on the list; a client without one is dropped."""
        client = LOCAL if self.keys is None else self.keys.look_up(session.key)
        if client is None:
            self.reception.sessions.pop(session.peer, None)
        return client is not None

    def send(self, peer: bytes, message: Message) -> None:
        """Sends what need not arrive."""
        Line(self, peer).send(message, None)

    # ---- the disk

    def commit(self) -> bool:
        """Makes all changes durable; False: not yet, so nothing may be told.

        What workers say is written a few times together.  On a full disk the ballast is given up for the changes, and
        nothing new is taken in.
        """
        if self.jobs.dirty and self.soon() > 0:
            return False
        self.committed = time.monotonic()
        try:
            self.jobs.commit()
        except OutOfSpace as error:
            if not self.reception.full:
                note("disk full", "error", error=str(error))
            self.reception.full = "the disk of the node is full; free some space on it, then send this again"
            self.ballast.unlink(missing_ok=True)
            with suppress(OutOfSpace):
                self.jobs.commit()
                return True
            time.sleep(LONGEST_WAIT)
            return False
        self.fill()
        return True

    def soon(self) -> float:
        """Gives how long a change may wait for others, seconds: not when a client waits for its answer."""
        if any(session.answers for session in self.reception.sessions.values()):
            return 0.0
        return self.committed + TOGETHER - time.monotonic()

    def fill(self) -> None:
        """Puts the ballast back once a second; with it there is room for new jobs."""
        if time.monotonic() - self.checked < 1.0:
            return
        self.checked = time.monotonic()
        with suppress(OSError):
            if not self.ballast.exists():
                self.ballast.parent.mkdir(parents=True, exist_ok=True)
                with open(self.ballast, "wb") as file:
                    os.posix_fallocate(file.fileno(), 0, BALLAST)
            self.reception.full = ""

    # ---- beginning and end

    def open_zap(self) -> "zmq.Socket[bytes]":
        """Binds where libzmq asks who may come in; before the first connection."""
        zap = self.context.socket(zmq.REP)
        zap.linger = 0
        if self.keys is not None:
            zap.bind(ZAP)
        return zap

    def open_socket(self) -> "tuple[zmq.Socket[bytes], str]":
        socket = self.context.socket(zmq.ROUTER)
        options = {
            zmq.ROUTER_MANDATORY: 1,
            zmq.SNDHWM: QUEUED,
            zmq.RCVHWM: QUEUED,
            zmq.MAXMSGSIZE: CHUNK + SEALED,
            zmq.LINGER: int(1000 * LAST_WORD),
            zmq.IPV6: int("[" in self.settings.bind),
            zmq.TCP_KEEPALIVE: 1,
            zmq.HANDSHAKE_IVL: 5000,
            zmq.HEARTBEAT_IVL: 5000,
            zmq.HEARTBEAT_TIMEOUT: 15000,
        }
        for name, value in options.items():
            socket.setsockopt(name, value)
        if self.settings.keys is not None:
            pair = node_pair(self.settings.keys)
            socket.curve_server = True
            socket.curve_publickey, socket.curve_secretkey = pair.public.encode(), pair.secret.encode()
            socket.zap_domain = b"retac"
        try:
            socket.bind(self.settings.bind.replace("localhost", "127.0.0.1"))
        except zmq.ZMQError as error:
            raise BadInput(
                f"the node cannot listen on {self.settings.bind} ({error.strerror}); free the port or choose another"
            ) from None
        return socket, socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def leave(self) -> None:
        """Takes nothing new in and has the workers stop; their jobs are queued and go on when the node is back."""
        if self.leaving is None:
            self.leaving = time.monotonic() + GRACE
            self.schedule.close()

    def close(self) -> None:
        self.pool.close()
        self.blobs.close()
        self.socket.close()
        self.zap.close()
        self.context.term()


class Line:
    """The way to one client, for as long as something is said to it."""

    def __init__(self, node: Node, peer: bytes) -> None:
        self.node, self.peer, self.gone = node, peer, False

    def send(self, message: Message, payload: Any) -> bool:
        """False: the line is full, or nobody is there any more."""
        try:
            frames = [self.peer, *wire.encode(message, payload)]
            self.node.socket.send_multipart(frames, zmq.NOBLOCK, copy=payload is None)
        except zmq.Again:
            return False
        except zmq.ZMQError:  # no route: the client has gone
            self.gone = True
            return False
        if payload is not None:
            self.node.reception.bytes_out += len(payload)
        return True


def limits(settings: NodeConfig) -> dict[str, float]:
    return {
        "seconds": settings.clip_limit_seconds,
        "frames": settings.clip_limit_frames,
        "pixels": settings.clip_limit_pixels,
        "memory": settings.memory_limit_bytes,
    }


def ms_since(began: float) -> float:
    return round(1000 * (time.monotonic() - began), 1)
