"""A client of the node: a thread that owns the socket, and an inbox for its owner.  Never calls back into its owner.

    with Client("tcp://10.0.0.7:7711", Path("ann.key")) as client:
        request = client.upload(Path("talk.mp4"))
        ...
        for reply in client.drain(0.005): ...        # a timer's way; `client.next(1.0)` waits for one

Any method may be called from any thread, at any time, connected or not, and returns at once.  What is asked while the
node is away is said when it is back, and what was not answered is said again: a job has one number, so it is one job.
"""

import itertools
import math
import secrets
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

import zmq
from zmq.utils.monitor import recv_monitor_message

from retac_shared import wire
from retac_shared.access import Key, checked_address, read_key
from retac_shared.conversation import Conversation, Drop, FetchFile, Send, SendFile, Wish
from retac_shared.inbox import Inbox, Link, Reply
from retac_shared.messages import (
    BEAT,
    CHUNK,
    SILENT,
    VERSION,
    Ask,
    Beat,
    Cancel,
    Hello,
    List,
    Message,
    Refused,
    Resume,
    Submit,
    ToClient,
    Watch,
    Welcome,
)
from retac_shared.order import SHA256, Order

PATIENCE = BEAT * SILENT  # seconds without a word after which the node is taken for gone
BACK_OFF = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds before the first, the second ... try after a broken connection
TURN = 64  # messages read before what is to be said is said
READING = 0.003  # seconds between two looks at a digest that is waited for

GONE = zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
WRONG_KEY = zmq.EVENT_HANDSHAKE_FAILED_AUTH


def new_job() -> str:
    """Draws a job's number."""
    return secrets.token_hex(16)


class Client:
    """Talks with one node until it is closed.  Raises BadAddress."""

    def __init__(self, address: str, key: Path | None = None, application: str = "retac") -> None:
        self.inbox = Inbox()
        self.link = Link("connecting")  # how it stands now; also told in the inbox when it changes
        self.numbers = itertools.count(1)
        self.wishes: deque[Wish] = deque()
        self.bell, self.ringer = socket.socketpair()
        for end in (self.bell, self.ringer):
            end.setblocking(False)
        self.closing = False
        line = Line(checked_address(address), read_key(key) if key else None, Hello(VERSION, application), self.bell)
        self.thread = Thread(target=self.run, args=(line,), name="retac-client", daemon=True)
        self.thread.start()

    # ---- what may be asked; each gives the number of its request

    def submit(self, order: Order, job: str, label: str = "", priority: int = 0) -> int:
        number = next(self.numbers)
        return self.say(number, Submit(number, job, order, label, priority))

    def watch(self, job: str, parts: int = 0) -> int:
        """Has the job's Status and Parts told until `drop`; `parts` is how many of them are known already."""
        number = next(self.numbers)
        return self.say(number, Watch(number, job, parts))

    def cancel(self, job: str) -> int:
        number = next(self.numbers)
        return self.say(number, Cancel(number, job))

    def resume(self, job: str) -> int:
        number = next(self.numbers)
        return self.say(number, Resume(number, job))

    def list(self, before: float = 0.0) -> int:
        number = next(self.numbers)
        return self.say(number, List(number, before))

    def ask(self) -> int:
        """Asks for the node's Metrics."""
        number = next(self.numbers)
        return self.say(number, Ask(number))

    def upload(self, path: Path, sha256: str = "") -> int:
        """Has the node have the file; ends with Sent, Refused or Failed.  `sha256` saves reading it, where it is known."""
        number = next(self.numbers)
        return self.wish(SendFile(number, path, sha256))

    def download(self, sha256: str, target: Path) -> int:
        """Fetches a file, from where an earlier try stopped; ends with Fetched, Refused or Failed."""
        if not SHA256.fullmatch(sha256):
            raise ValueError("that is not a sha256 in lower-case hexadecimal; give the digest of the file")
        number = next(self.numbers)
        return self.wish(FetchFile(number, sha256, target))

    def drop(self, request: int) -> None:
        """Ends a watch or a transfer."""
        self.wish(Drop(request))

    # ---- what comes back

    def drain(self, seconds: float) -> Iterator[Reply]:
        """Gives the replies that are here, until that much time is spent."""
        return self.inbox.drain(seconds)

    def next(self, seconds: float | None = None) -> Reply | None:
        """Waits for a reply that long; None: for ever."""
        return self.inbox.take(seconds)

    def close(self) -> None:
        """Ends the thread and the connection; jobs go on at the node."""
        self.closing = True
        self.ring()
        self.thread.join()
        self.bell.close()
        self.ringer.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # ---- the owner's side of the bell

    def say(self, number: int, message: Message) -> int:
        return self.wish(Send(number, message))

    def wish(self, wish: Wish) -> int:
        self.wishes.append(wish)
        self.ring()
        return wish.request

    def ring(self) -> None:
        with suppress(OSError):  # the bell is full, so it rings already; or closed
            self.ringer.send(b"!")

    # ---- the thread

    def run(self, line: "Line") -> None:
        talk = Conversation(self.inbox, self.numbers)
        try:
            while not self.closing:
                line.wait(READING if talk.reading() else BEAT / 2)
                with suppress(OSError):
                    self.bell.recv(4096)
                while self.wishes:
                    talk.wish(self.wishes.popleft())
                self.turn(line, talk)
        finally:
            line.close()
            talk.close()

    def turn(self, line: "Line", talk: Conversation) -> None:
        """Hears what came, says what is to be said, and sees whether the node is still there."""
        for message, payload in line.heard():
            if isinstance(message, Welcome | Refused) and self.greeted(line, message):
                talk.open_all()
            elif line.welcome is not None:
                talk.hear(message, payload)
        if trouble := line.trouble():
            line.hang_up(trouble)
            talk.lost()
        self.show(Link(line.state(), line.sentence, line.welcome))
        talk.tick()
        if line.welcome is not None:
            while talk.out:
                line.say(*talk.out.popleft())
            line.beat()

    def greeted(self, line: "Line", message: Welcome | Refused) -> bool:
        """Tells whether this opens the talk; a Refused of no request says that there will be none."""
        if isinstance(message, Welcome) and message.version == VERSION:
            line.welcome, line.sentence, line.denied, line.tries = message, "", False, 0
            return True
        if isinstance(message, Welcome):
            line.refused = (
                f"the node speaks version {message.version} of the protocol and this client {VERSION}; update one"
            )
        elif message.request == 0 and line.welcome is None:
            line.refused = message.sentence
        elif message.request == 0:  # it forgot us: this machine may have slept
            line.gone = message.sentence
        return False

    def show(self, link: Link) -> None:
        if link != self.link:
            self.link = link
            self.inbox.put(link)


class Line:
    """The socket: opened, given up and opened anew.  Used by the client's thread alone."""

    def __init__(self, address: str, key: Key | None, hello: Hello, bell: socket.socket) -> None:
        self.address, self.key, self.hello = address, key, hello
        self.context, self.poller = zmq.Context(), zmq.Poller()
        self.poller.register(bell, zmq.POLLIN)
        self.socket: zmq.Socket[bytes] | None = None
        self.monitor: Any = None
        self.welcome: Welcome | None = None
        self.sentence = self.refused = ""
        self.denied = False  # the node answered, and wants no talk
        self.tries = 0
        self.again = 0.0  # when to try next
        self.last_word = self.last_beat = 0.0  # when the node said something; when we did
        self.reached = False  # the node's end has answered, so it must say Welcome soon
        self.gone = ""  # what the socket's monitor saw

    def wait(self, seconds: float) -> None:
        """Waits until something is to be done."""
        left = self.again - time.monotonic()
        if self.socket is None and left <= 0:
            self.open()
        elif self.socket is None:
            seconds = min(seconds, left)
        self.poller.poll(math.ceil(seconds * 1000))

    def open(self) -> None:
        line = self.context.socket(zmq.DEALER)
        line.linger, line.sndhwm, line.maxmsgsize = 0, 0, CHUNK + wire.HEADER
        line.reconnect_ivl, line.reconnect_ivl_max = 100, 2000  # ms, while nobody listens there
        line.ipv6 = "[" in self.address
        if self.key is not None:
            line.curve_publickey, line.curve_secretkey = self.key.public.encode(), self.key.secret.encode()
            line.curve_serverkey = self.key.node.encode()
        self.monitor = line.get_monitor_socket(GONE | WRONG_KEY | zmq.EVENT_HANDSHAKE_SUCCEEDED)
        for watched in (line, self.monitor):
            self.poller.register(watched, zmq.POLLIN)
        line.connect(self.address)
        self.socket, self.reached, self.gone, self.refused = line, False, "", ""
        self.say(self.hello)
        self.last_word = self.last_beat = time.monotonic()

    def heard(self) -> Iterator[tuple[Any, memoryview]]:
        """Gives the messages that came; what is not one is passed over."""
        if self.socket is None:
            return
        self.see()
        for _ in range(TURN):
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            self.last_word = time.monotonic()
            with suppress(wire.BadMessage):
                yield wire.decode([frame.buffer for frame in frames], ToClient)

    def see(self) -> None:
        """Looks at what became of the connection itself."""
        while self.monitor.poll(0):
            event = recv_monitor_message(self.monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.reached, self.last_word = True, time.monotonic()
            elif event == WRONG_KEY:
                self.refused = (
                    "the node does not know this key; have it put on the node's list with: retac keys new NAME"
                )
            else:
                self.gone = "the connection was closed"

    def trouble(self) -> str:
        """Says why the connection cannot be used any more; "" where it can, or where none is open."""
        if self.socket is None:
            return ""
        silent = time.monotonic() - self.last_word > PATIENCE
        if silent and (self.reached or self.welcome is not None):
            return "the node is silent"
        if silent and not self.sentence:
            self.sentence = f"no node answers at {self.address}"
        return self.refused or self.gone

    def hang_up(self, sentence: str) -> None:
        """Closes the connection, to try again after a while."""
        assert self.socket is not None
        for watched in (self.socket, self.monitor):
            self.poller.unregister(watched)
        self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)
        self.socket, self.welcome, self.sentence, self.denied = None, None, sentence, bool(self.refused)
        self.again = time.monotonic() + BACK_OFF[min(self.tries, len(BACK_OFF) - 1)]
        self.tries += 1

    def state(self) -> Any:
        if self.welcome is not None:
            return "connected"
        return "refused" if self.denied else "connecting"

    def say(self, message: Message, payload: Any = None) -> None:
        if self.socket is not None:
            self.socket.send_multipart(wire.encode(message, payload), copy=payload is None)

    def beat(self) -> None:
        if time.monotonic() - self.last_beat >= BEAT:
            self.last_beat = time.monotonic()
            self.say(Beat())

    def close(self) -> None:
        if self.socket is not None:
            self.hang_up("")
        self.context.destroy(0)
