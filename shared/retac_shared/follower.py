"""A thread that reads growing files behind their writers, for their sha256.  Never writes one."""

import hashlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

Bytes = bytes | memoryview

SLICE = 1 << 20  # bytes read of one file before the next one's turn
HELD = 1 << 25  # bytes that may wait to be read without going over the disk, of all files


class Followed:
    """A file that grows; one thread sets `until`, the other the rest."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.until = 0  # bytes that are there to be read
        self.queued = False
        self.position = 0  # bytes that the digest is of
        self.failed = False
        self.early: deque[tuple[int, Bytes]] = deque()  # offset and bytes of what need not be read from the disk
        self.digest = hashlib.sha256()

    def digest_at(self, size: int) -> str | None:
        """Gives the digest of the first `size` bytes, "" where they could not be read; None: not known yet."""
        if self.failed:
            return ""
        return self.digest.hexdigest() if self.position == size else None


class Follower:
    """Reads what it is told to, slice by slice in turn; the thread is there from the first file on."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Followed | Callable[[], None] | None] = SimpleQueue()
        self.later: list[Callable[[], None]] = []  # what waits until nothing is left to read
        self.buffer = memoryview(bytearray(SLICE))
        self.fed = self.eaten = 0  # bytes given without the disk, and of those what is read; a thread each
        self.thread: Thread | None = None

    def follow(self, followed: Followed) -> None:
        """Has the file read up to `followed.until`."""
        if followed.position < followed.until and not followed.queued:
            followed.queued = True
            self.put(followed)

    def feed(self, followed: Followed, data: Bytes) -> None:
        """The same for bytes that were just written at `followed.until`, and which nobody changes any more."""
        if self.fed - self.eaten + len(data) <= HELD:
            self.fed += len(data)
            followed.early.append((followed.until, data))
        followed.until += len(data)
        self.follow(followed)

    def settle(self, work: Callable[[], None]) -> None:
        """Has `work` done when nothing is left to read."""
        self.put(work)

    def put(self, item: Followed | Callable[[], None]) -> None:
        if self.thread is None:
            self.thread = Thread(target=self.run, name="blob-reader", daemon=True)
            self.thread.start()
        self.queue.put(item)

    def close(self) -> None:
        """Ends the thread; what it had yet to do is left."""
        if self.thread is not None:
            self.queue.put(None)
            self.thread.join()
            self.thread = None

    def run(self) -> None:
        while (item := self.take()) is not None:
            if isinstance(item, Followed):
                item.queued = False  # first: whoever lets it grow from here on puts it into the queue again
                self.read_on(item)
                self.follow(item)
            elif self.queue.empty():
                with suppress(OSError):  # the disk's
                    item()
            else:
                self.later.append(item)

    def take(self) -> Followed | Callable[[], None] | None:
        with suppress(Empty):
            return self.queue.get(block=not self.later)
        return self.later.pop(0)

    def read_on(self, followed: Followed) -> None:
        """Reads a slice, or marks the file as failed."""
        data = self.next_of(followed)
        if data is None:
            followed.failed = followed.until > 0  # 0: it was given up, and its file with it
        elif data:
            followed.digest.update(data)
            followed.position += len(data)

    def next_of(self, followed: Followed) -> Bytes | None:
        """Gives the bytes that come next; from the disk where they did not come otherwise.  None: they cannot be read."""
        end = followed.until
        if followed.early:
            offset, data = followed.early[0]
            if offset <= followed.position:
                followed.early.popleft()
                self.eaten += len(data)
                return data if offset == followed.position else b""
            end = offset
        count = min(end - followed.position, SLICE)
        if count <= 0:
            return b""
        try:
            with open(followed.path, "rb", buffering=0) as file:
                file.seek(followed.position)
                return self.buffer[: file.readinto(self.buffer[:count])] or None
        except OSError:
            return None
