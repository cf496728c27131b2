"""One file on its way to a node, or from it: what to say next, and what to do with what is heard.  No socket here.

Both go on where they were after the connection broke.  Their digests are read by a Follower's thread.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from retac_shared.follower import Followed, Follower
from retac_shared.inbox import Failed, Fetched, Moved, Reply, Sent
from retac_shared.messages import CHUNK, WINDOW, Chunk, Credit, Done, Get, Message, Put

ASKED = WINDOW // 2  # bytes of one Get; two are under way
EARLY = 2 * WINDOW // CHUNK  # chunks that wait for others, at most

Outgoing = tuple[Message, Any]  # and a Chunk's bytes


class Upload:
    """A file that the node shall have.  Raises OSError where it cannot be read."""

    def __init__(self, request: int, path: Path, sha256: str, follower: Follower) -> None:
        self.request, self.path, self.sha256 = request, path, sha256
        self.file = open(path, "rb", buffering=0)  # noqa: SIM115  open until the end
        self.size = os.fstat(self.file.fileno()).st_size
        self.position = self.granted = 0  # bytes sent; that may be sent
        self.followed = Followed(path)
        if not sha256:
            self.followed.until = self.size
            follower.follow(self.followed)

    def open(self) -> list[Outgoing]:
        """Gives what begins the transfer, or begins it anew; nothing while the digest is being read."""
        self.position = self.granted = 0
        return [(Put(self.request, self.sha256, self.size), None)] if self.sha256 else []

    def tick(self) -> list[Outgoing]:
        """Looks whether the digest is known by now.  Raises OSError where the file could not be read."""
        if self.sha256 or (digest := self.followed.digest_at(self.size)) is None:
            return []
        if not digest:
            raise OSError(0, "it cannot be read, or it became shorter")
        self.sha256 = digest
        return self.open()

    def take(self, message: Message) -> Reply | None:
        """Hears the node's answer; gives what its owner should know."""
        if isinstance(message, Credit) and message.offset + message.count <= self.size + WINDOW:
            if message.offset != self.granted:
                self.position = message.offset
            self.granted = message.offset + message.count  # past the end too: the next Credit goes on from there
            return Moved(self.request, self.position, self.size)
        return Sent(self.request, self.sha256) if isinstance(message, Done) else None

    def chunks(self) -> Iterator[Outgoing]:
        """Gives what may be sent now.  Raises OSError where the file cannot be read on."""
        while self.position < (end := min(self.granted, self.size)):
            self.file.seek(self.position)
            data = self.file.read(min(CHUNK, end - self.position))
            if not data:
                raise OSError(0, "it became shorter while it was sent")
            chunk = Chunk(self.request, self.position, self.size)
            self.position += len(data)
            yield chunk, data

    def close(self) -> None:
        self.file.close()
        self.followed.until = 0


class Download:
    """A file that the node has, written beside its target and renamed when it is whole and right.  Raises OSError."""

    def __init__(self, request: int, sha256: str, target: Path, follower: Follower, number: Callable[[], int]) -> None:
        self.request, self.sha256, self.target, self.number = request, sha256, target, number
        self.aside = target.with_name(f".{target.name}.{sha256[:16]}.part")
        self.file = open(self.aside, "ab", buffering=0)  # noqa: SIM115  open until the end
        self.position = self.inherited = self.file.tell()  # of an earlier run
        self.size: int | None = None  # not told yet
        self.end = 0  # of what was asked for so far
        self.asked: dict[int, int] = {}  # request of a Get -> where its bytes end
        self.early: dict[int, memoryview] = {}  # by offset, chunks that came before those that precede them
        self.follower, self.followed = follower, Followed(self.aside)
        self.followed.until = self.position
        follower.follow(self.followed)

    def open(self) -> list[Outgoing]:
        self.asked.clear()
        self.early.clear()
        return [] if self.position == self.size else [self.ask(self.position)]

    def ask(self, offset: int) -> Outgoing:
        number = self.number()
        self.asked[number] = self.end = offset + ASKED
        return Get(number, self.sha256, offset, ASKED), None

    def take(self, chunk: Chunk, payload: memoryview) -> list[Outgoing]:
        """Writes a chunk; gives what to ask for next.  Raises OSError."""
        if chunk.request not in self.asked:
            return []
        if self.size is None and self.position > chunk.size:
            self.restart()
            return self.open()
        self.size = chunk.size
        if chunk.offset + len(payload) >= min(self.asked[chunk.request], self.size):
            del self.asked[chunk.request]
        self.early[chunk.offset] = payload
        if len(self.early) > EARLY:
            raise OSError(0, "the node sends bytes that were not asked for")
        while (data := self.early.pop(self.position, None)) is not None:  # the node may mix the bytes of two Gets
            self.write(data[: self.size - self.position])
        return list(self.more())

    def write(self, data: memoryview) -> None:
        done = 0
        while done < len(data):
            done += self.file.write(data[done:])
        self.position += done
        self.follower.feed(self.followed, data)

    def more(self) -> Iterator[Outgoing]:
        while self.size is not None and len(self.asked) < 2 and self.end < self.size:
            yield self.ask(self.end)

    def restart(self) -> None:
        """Drops what an earlier run left: it is not of this file."""
        self.file.truncate(0)
        self.position, self.inherited, self.size = 0, 0, None
        self.asked.clear()
        self.followed.until = 0
        self.followed = Followed(self.aside)

    def tick(self) -> Reply | None:
        """Gives Fetched when the file is at its place, Failed where its bytes are wrong.  Raises OSError."""
        if self.position != self.size or (digest := self.followed.digest_at(self.size)) is None:
            return None
        if digest != self.sha256 and self.inherited:
            self.restart()
            return None
        self.file.close()
        if digest != self.sha256:
            self.aside.unlink(missing_ok=True)
            return Failed(self.request, f"the bytes that came for {self.target.name} are wrong; fetch it again")
        os.replace(self.aside, self.target)
        return Fetched(self.request, self.target)

    def moved(self) -> Moved:
        return Moved(self.request, self.position, self.size or 0)

    def close(self) -> None:
        """Stops; what came stays beside the target, to go on from."""
        self.followed.until = 0
        self.file.close()
        if self.position == 0:
            with suppress(OSError):
                self.aside.unlink(missing_ok=True)
