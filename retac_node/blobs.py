"""Files by the sha256 of their bytes, within a quota: those that are here, and uploads on their way.  Knows no socket.

    root/have/<sha256>             whole and right, and never changed again
    root/coming/<owner>-<sha256>   what has come of an upload so far; <owner> is a digest of the client's name
    root/fresh/<sha256>            an empty mark: the disk may not have all of this one yet, should the power fail

Nothing from the wire becomes part of a path but a sha256 whose pattern was checked.  An upload outlives its connection
and the node: it goes on from the bytes that are here.  A thread reads each upload behind the writer, so that its digest
is known about when its last byte is, and whoever calls never waits for one.  The folders may vanish at any time.
"""

import hashlib
import os
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from retac_shared.follower import Followed, Follower

from retac_node.errors import OutOfSpace, Refused
from retac_node.shelf import Shelf, digest_of, worded

PARTIAL_LIMIT = 64  # unfinished uploads of one owner; beyond, the one that has waited longest is dropped
IDLE = 60.0  # seconds without a byte after which an unfinished upload may make room for others


@dataclass(frozen=True)
class Blob:
    sha256: str
    size: int  # bytes


@dataclass
class Upload:
    path: Path
    size: int  # bytes of the whole file
    here: int  # bytes that have come
    used: float = field(default_factory=time.monotonic)  # when a byte came last
    followed: Followed = field(init=False)

    def __post_init__(self) -> None:
        self.followed = Followed(self.path)


class Blobs:
    """The node's file store.  `file_limit` and `limit_bytes` are bytes, of one file and of all."""

    def __init__(self, root: Path, limit_bytes: int, file_limit: int, partial_limit: int = PARTIAL_LIMIT) -> None:
        self.have, self.coming, self.fresh = root / "have", root / "coming", root / "fresh"
        self.file_limit, self.partial_limit = file_limit, partial_limit
        self.uploads: dict[tuple[str, str], Upload] = {}
        self.follower = Follower()
        self.make_folders()
        self.shelf = Shelf(self.have, limit_bytes)

    # ---- files that are here

    def hold(self, wanted: Callable[[], Collection[str]]) -> None:
        """Has `wanted()` asked for the files that must stay whenever room is made."""
        self.shelf.hold(wanted)

    def size(self, sha256: str) -> int | None:
        """Gives the bytes of a file that is here and whole, and marks it as used now; None where it is not."""
        return self.shelf.size(sha256)

    def path(self, sha256: str) -> Path:
        return self.shelf.path(sha256)

    def read(self, sha256: str, offset: int, count: int) -> memoryview:
        """Gives up to `count` bytes of a file, not copied; fewer at its end.  Raises Refused where it is not here."""
        return self.shelf.read(sha256, offset, count)

    def add(self, file: Path, sha256: str = "") -> Blob:
        """Takes in a finished file that nobody will change, by a link where the disk is the same, else by a copy.

        `sha256` is its digest where it is known; else the file is read.  Raises OutOfSpace.
        """
        with worded(self.have):
            digest, size = sha256 or digest_of(file), file.stat().st_size
            if self.size(digest) is None:
                self.make_folders()
                self.make_room(size)
                self.shelf.link(file, digest)
        return Blob(digest, size)

    # ---- uploads

    def begin(self, owner: str, sha256: str, size: int) -> int:
        """Gives how many bytes of the upload are here already: all of them where the file is.  Raises Refused."""
        if self.size(sha256) is not None:
            return size
        if size > self.file_limit:
            raise Refused(
                f"the file has {size} bytes and this node takes {self.file_limit} at most; send a shorter one"
            )
        path = self.coming / f"{hashed(owner)}-{sha256}"
        upload, here = self.uploads.get((owner, sha256)), size_of(path) or 0
        if upload is not None and path.exists() and (upload.size, upload.here) == (size, here):
            return here
        self.make_folders()
        with worded(self.coming):
            self.check_room(owner, path, size)
            with open(path, "ab") as file:
                here = file.tell() if file.tell() <= size else file.truncate(0)
        self.uploads[owner, sha256] = upload = Upload(path, size, here)
        upload.followed.until = here
        self.follower.follow(upload.followed)
        return here

    def write(self, owner: str, sha256: str, offset: int, data: memoryview | bytes) -> int:
        """Gives how many bytes of the upload are here now; what does not begin where they end is not written.

        Raises Refused for an upload that was not begun, OutOfSpace.
        """
        upload = self.begun(owner, sha256)
        if offset != upload.here or offset + len(data) > upload.size:
            return upload.here
        upload.used = time.monotonic()
        with worded(self.coming):
            try:
                append(upload.path, offset, data)
            except FileNotFoundError:  # somebody removed it; the client will begin again
                del self.uploads[owner, sha256]
                return self.begin(owner, sha256, upload.size)
        upload.here += len(data)
        self.follower.feed(upload.followed, data)
        return upload.here

    def finish(self, owner: str, sha256: str) -> bool | None:
        """Tells whether the upload is the file it should be, and takes it in; a wrong one is discarded.

        None: not known yet.  Bytes are missing, or some are still being read: ask again some milliseconds later.
        """
        if self.size(sha256) is not None:
            self.forget(owner, sha256)
            return True
        upload = self.begun(owner, sha256)
        if upload.here < upload.size or (digest := upload.followed.digest_at(upload.size)) is None:
            return None
        if digest == sha256:
            with suppress(OSError):
                self.take_in(upload.path, sha256)
        self.forget(owner, sha256)
        return self.size(sha256) is not None

    def take_in(self, path: Path, sha256: str) -> None:
        mark = self.fresh / sha256
        mark.touch()
        self.shelf.take(path, sha256)
        self.follower.settle(partial(settle, self.path(sha256), mark))

    def recover(self) -> None:
        """Reads anew, at the node's start, what the disk may not have had when the machine stopped."""
        for mark in self.fresh.iterdir():
            if self.size(mark.name) is not None and digest_of(self.path(mark.name)) != mark.name:
                self.path(mark.name).unlink()
            mark.unlink()

    def close(self) -> None:
        self.follower.close()

    def begun(self, owner: str, sha256: str) -> Upload:
        upload = self.uploads.get((owner, sha256))
        if upload is None:
            raise Refused("no upload of this file was begun; begin it again")
        return upload

    def forget(self, owner: str, sha256: str) -> None:
        upload = self.uploads.pop((owner, sha256), None)
        if upload is not None:
            upload.followed.until = 0
            upload.path.unlink(missing_ok=True)

    # ---- room

    def check_room(self, owner: str, upload: Path, size: int) -> None:
        """Makes room for the rest of an upload.  Raises Refused where there is none to be had."""
        own = sorted((path for path in self.coming.glob(f"{hashed(owner)}-*") if path != upload), key=modified)
        for path in own[: max(0, len(own) + 1 - self.partial_limit)]:  # begun and left, more likely than not
            self.drop(path)
        try:
            self.make_room(max(0, size - (size_of(upload) or 0)))
        except OutOfSpace as error:
            raise Refused(str(error)) from None

    def make_room(self, size: int) -> None:
        """Makes room for `size` bytes more; what was begun and left goes when nothing else is left to remove."""
        with suppress(OutOfSpace):
            self.shelf.make_room(size, self.promised())
            return
        active = self.active()
        for path in list(self.coming.iterdir()):
            if path not in active:
                self.drop(path)
        self.shelf.make_room(size, self.promised())

    def promised(self) -> int:
        """Gives the bytes that uploads take when they are whole, and those of what was begun in an earlier run."""
        open_ones = {upload.path: upload.size for upload in self.uploads.values()}
        strays = sum(size_of(path) or 0 for path in self.coming.iterdir() if path not in open_ones)
        return strays + sum(open_ones.values())

    def drop(self, path: Path) -> None:
        """Removes an upload, and forgets it."""
        for key in [key for key, upload in self.uploads.items() if upload.path == path]:
            del self.uploads[key]
        path.unlink(missing_ok=True)

    def active(self) -> set[Path]:
        """Gives the uploads of which a byte came lately."""
        now = time.monotonic()
        return {upload.path for upload in self.uploads.values() if now - upload.used < IDLE}

    def make_folders(self) -> None:
        with worded(self.have):
            for folder in (self.have, self.coming, self.fresh):
                folder.mkdir(parents=True, exist_ok=True)


# ---- disk


def append(path: Path, offset: int, data: memoryview | bytes) -> None:
    """Writes all the bytes at the end of a file that is there.  A failure leaves none of them."""
    file = os.open(path, os.O_WRONLY)
    try:
        done = 0
        while done < len(data):
            done += os.pwrite(file, data[done:] if done else data, offset + done)
    except OSError:
        os.ftruncate(file, offset)
        raise
    finally:
        os.close(file)


def settle(path: Path, mark: Path) -> None:
    """Has the disk keep the file's bytes, and takes its mark away."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())
    mark.unlink()


def hashed(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()[:16]


def size_of(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
