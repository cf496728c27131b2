"""The whole files of a node's store, by sha256, within a quota: what was used longest ago goes first.  Knows no upload.

What is here and when it was used is known without walking the folder, which is read once, at the start.  The times stand
in the files' own, so that the next start knows them too.  Files may vanish at any time; none is ever changed.
"""

import errno
import hashlib
import mmap
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from retac_shared.order import SHA256

from retac_node.errors import BadInput, OutOfSpace, Refused

MAPPED = 16  # files that are mapped at a time
SPARE = 0.9  # of the limit, what is left when room was made


class Shelf:
    """Made by one process alone; `limit` is bytes."""

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self.wanted: list[Callable[[], Collection[str]]] = []
        self.mapped: dict[str, mmap.mmap | bytes] = {}  # files that are being read
        self.sizes: dict[str, int] = {}  # sha256 -> bytes, those used longest ago first
        self.bytes = 0  # of all of them
        with worded(folder):
            folder.mkdir(parents=True, exist_ok=True)
            found = [(entry.stat(), entry.name) for entry in os.scandir(folder)]
        for stat, name in sorted(found, key=lambda item: item[0].st_mtime_ns):
            self.used(name, stat.st_size)

    def hold(self, wanted: Callable[[], Collection[str]]) -> None:
        """Has `wanted()` asked for the files that must stay whenever room is made."""
        self.wanted.append(wanted)

    def path(self, sha256: str) -> Path:
        """Gives a file's place, here or not.  Raises Refused for what is no sha256."""
        if not SHA256.fullmatch(sha256):
            raise Refused("that is not a sha256 in lower-case hexadecimal; give the digest of the file")
        return self.folder / sha256

    def size(self, sha256: str) -> int | None:
        """Gives the bytes of a file that is here, and marks it as used now; None where it is not."""
        path = self.path(sha256)
        try:
            os.utime(path)
            size = path.stat().st_size
        except OSError:
            self.bytes -= self.sizes.pop(sha256, 0)
            return None
        self.used(sha256, size)
        return size

    def used(self, sha256: str, size: int) -> None:
        self.bytes += size - self.sizes.pop(sha256, 0)
        self.sizes[sha256] = size

    def read(self, sha256: str, offset: int, count: int) -> memoryview:
        """Gives up to `count` bytes of a file, not copied; fewer at its end.  Raises Refused where it is not here."""
        path = self.path(sha256)
        try:
            size = path.stat().st_size
            if sha256 not in self.mapped or len(self.mapped[sha256]) != size:
                self.map(path)
            return memoryview(self.mapped[sha256])[offset : offset + count]
        except OSError:
            self.mapped.pop(sha256, None)
            raise Refused("the file is not here any more; ask for the job to be run again") from None

    def map(self, path: Path) -> None:
        """Has a file mapped, in place of the one that was mapped longest ago; views of that one stay good."""
        if len(self.mapped) >= MAPPED:
            del self.mapped[next(iter(self.mapped))]
        with open(path, "rb") as file:
            empty = os.fstat(file.fileno()).st_size == 0
            self.mapped[path.name] = b"" if empty else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    # ---- coming and going

    def take(self, file: Path, sha256: str) -> None:
        """Moves a file here.  Raises OSError."""
        os.replace(file, self.path(sha256))
        self.size(sha256)

    def link(self, file: Path, sha256: str) -> None:
        """Takes in a file that nobody will change, by a link where the disk is the same, else by a copy."""
        target = self.path(sha256)
        try:
            os.link(file, target)
        except OSError as error:
            if error.errno != errno.EEXIST:
                copy(file, target)
        self.size(sha256)

    def make_room(self, size: int, promised: int = 0) -> None:
        """Removes files until `size` bytes more fit beside those promised to others.

        Raises OutOfSpace where they never will, and has removed nothing then but what was unused.
        """
        over = self.bytes + promised + size - self.limit
        if over > 0:
            self.evict(over + round((1 - SPARE) * self.limit))
        self.evict(size - free_bytes(self.folder))
        if self.bytes + promised + size > self.limit or free_bytes(self.folder) < size:
            raise OutOfSpace(
                f"the node has no room for a file of {size} bytes; wait until a job has ended or have its quota raised"
            )

    def evict(self, count: int) -> None:
        """Removes files until `count` bytes are free that were not, or all that is left is held."""
        held = {name for wanted in self.wanted for name in wanted()} if count > 0 else set()
        for name in list(self.sizes):
            if count <= 0:
                return
            if name not in held:
                (self.folder / name).unlink(missing_ok=True)
                self.mapped.pop(name, None)
                size = self.sizes.pop(name)
                self.bytes -= size
                count -= size


# ---- disk


@contextmanager
def worded(folder: Path) -> Iterator[None]:
    """Words the errors of a disk: raises OutOfSpace or BadInput in place of OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutOfSpace(f"the disk of {folder} is full; free some space, then go on: what came is kept") from error
        raise BadInput(f"{folder} cannot be written ({error.strerror}); check its permissions") from error


def copy(file: Path, target: Path) -> None:
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(file, aside)
        os.replace(aside, target)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def digest_of(file: Path) -> str:
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
