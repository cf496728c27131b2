"""Keeps the results of tasks on disk, one folder per key, within a size limit.  Never knows what a result means.

    root/work/<key>/   the task that has begun: its folder, see claims.py
    root/done/<key>    the same folder, renamed when the task ended: its files, the result (codec.py) and entry.json
    root/tmp/          folders on their way to deletion, renamed first so that nobody meets half an entry
    root/used/         a list for each running job of the keys it reads and makes

Many processes, on many hosts, may share a cache.  No lock is held: what matters is done by mkdir and rename, which are
atomic on local and network file systems alike.  entry.json is written last, synced, and has the size and checksum of
every file: an entry that lacks one, or has other bytes in it, is made again.
"""

import errno
import itertools
import json
import os
import shutil
import time
import weakref
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import Any

from retac_node.engine import claims, codec
from retac_node.engine.claims import Lost
from retac_node.engine.codec import Damaged
from retac_node.errors import BadInput, OutOfSpace, RetacError

LATE = 0.05, 0.2, 1.0  # seconds before a second, third ... look for what must be there: networks show a rename late
KEPT = 3600.0  # seconds for which a silent job of another host keeps what it uses
NEARLY_FULL = 1 << 20  # bytes free, below which any failure to write is taken for a full disk
READ = 1 << 20  # bytes of a file that are checked at a time
FOLDERS = ("work", "done", "tmp", "used")


class Cache:
    """A cache folder as one running job sees it.  Raises BadInput where it cannot be written, OutOfSpace when full."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root = Path(os.path.abspath(root))
        self.limit = limit_bytes
        self.size: int | None = None  # bytes under work and done when last measured, and what was added since
        self.count = itertools.count()
        self.claimed: dict[str, Path] = {}  # key -> the folder in which this job makes it
        self.sound: set[str] = set()  # keys whose checksums were compared
        self.fresh: set[Path] = set()  # files that tell others that this job lives
        try:
            for name in FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            self.list = self.root / "used" / f"{claims.me()}.{time.monotonic_ns()}"
            self.list.touch()
            self.fresh.add(self.list)
            self.collect()
        except OSError as error:
            raise out_of_space(error, self.root) or BadInput(
                f"the cache folder {self.root} cannot be written ({error.strerror}); choose another with --work"
            ) from error
        ended = Event()
        claims.keep_fresh(self.fresh, ended)
        weakref.finalize(self, leave, self.list, ended)

    # ---- entries

    def holds(self, key: str, kind: type) -> bool:
        """Tells whether the result is here and whole, and marks it as used now.  A damaged one is removed."""
        folder = self.root / "done" / key
        if not folder.is_dir():
            return False
        try:
            self.compare(key, folder)
            codec.load(folder, kind)
        except Damaged:
            self.discard(folder)
            return False
        with suppress(FileNotFoundError):  # evicted at this moment; who evicts it sees that it is used
            os.utime(folder)
        return True

    def load(self, key: str, kind: type) -> Any:
        """Gives a result that is here, its large arrays mapped from disk and all read-only.  Raises Damaged."""
        folder = self.root / "done" / key
        for pause in LATE:
            if folder.is_dir():
                break
            time.sleep(pause)
        check(folder)
        return codec.load(folder, kind)

    def warnings(self, key: str) -> tuple[str, ...]:
        """Gives the sentences that the stage warned with when it made the result."""
        return tuple(check(self.root / "done" / key)["warnings"])

    def seconds(self, key: str) -> float:
        """Gives how long the stage took when it made the result, wherever that was."""
        return float(check(self.root / "done" / key)["seconds"])

    def compare(self, key: str, folder: Path) -> None:
        """Reads the entry's files and compares them with their checksums, once a job.  Raises Damaged."""
        entry = check(folder)
        if key in self.sound:
            return
        wrong = [name for name in entry["files"] if checksum(folder / name) != entry["crc32"].get(name)]
        if wrong:
            raise Damaged(f"{folder / wrong[0]} has not the bytes it was written with")
        self.sound.add(key)

    # ---- tasks

    @contextmanager
    def claim(self, key: str, tick: Callable[[], None] = lambda: None) -> Iterator[Path]:
        """Gives the task's own folder, with whatever an earlier, killed run left there, to this job alone.

        Calls `tick` again and again while another one has it.  Raises Lost where another took it over meanwhile.
        """
        folder = claims.claim(self.root / "work" / key, self.clock, tick)
        self.claimed[key] = folder
        self.fresh.add(claims.mark(folder))
        try:
            yield folder
        except OSError as error:
            if not folder.exists():
                raise Lost(key) from error
            raise
        finally:
            self.fresh.discard(claims.mark(folder))
            if self.claimed.pop(key, None) is not None:
                claims.release(folder)

    def finish(self, key: str, value: Any, warnings: Iterable[str], seconds: float = 0.0) -> None:
        """Stores the result beside the files in the claimed folder and makes it all an entry, at once or not at all.

        `seconds` is how long the stage took.
        """
        work, done = self.claimed[key], self.root / "done" / key
        try:
            codec.save(work, value)
            files = sizes(work)
            sums = {name: checksum(work / name) for name in files}
            entry = {"warnings": list(warnings), "seconds": seconds, "files": files, "crc32": sums}
            write_synced(work / "entry.json", json.dumps(entry))
        except BaseException:
            for path in (*work.glob("value.*"), work / "entry.json"):
                path.unlink(missing_ok=True)
            raise
        self.put(work, done)
        del self.claimed[key]
        claims.release(work)
        self.sound.add(key)
        if self.size is not None:
            self.size += sum(files.values())
        if self.size is None or self.size > self.limit:
            self.make_room()

    def put(self, work: Path, done: Path) -> None:
        """Renames the finished folder into place; another's whole entry of the same key stays, and this one goes."""
        try:
            os.rename(work, done)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            try:
                check(done)
                self.discard(work)
            except Damaged:
                self.discard(done)
                os.rename(work, done)

    # ---- room

    def use(self, keys: Iterable[str]) -> None:
        """Declares what the running job reads and makes, in place of what it declared before: it is not evicted.

        It holds as long as this object lives.  Declare first, then ask what is here.
        """
        aside = self.aside(self.list.name)
        aside.write_text("\n".join(keys))
        os.replace(aside, self.list)

    def make_room(self) -> None:
        """Removes what was used longest ago, finished or not, until the limit holds or all that is left is in use."""
        folders = [path for name in ("work", "done") for path in (self.root / name).iterdir()]
        weights = {path: sum(sizes(path).values()) for path in folders}
        self.size = sum(weights.values())
        used = self.used()
        for path in sorted(folders, key=modified):
            if self.size <= self.limit:
                break
            if path.name not in used and self.evict(path):
                self.size -= weights[path]

    def evict(self, folder: Path) -> bool:
        """Removes a folder unless a job declares it meanwhile: renamed first, and back where one has.

        A job declares and then looks.  It declares before the second reading here, which sees it, or looks after the
        renaming, and makes the result anew.
        """
        aside = self.aside(folder.name)
        with suppress(OSError):
            os.rename(folder, aside)
        if folder.name in self.used():
            with suppress(OSError):  # made anew already
                os.rename(aside, folder)
                return False
        shutil.rmtree(aside, ignore_errors=True)
        return True

    def used(self) -> set[str]:
        """Gives the keys that running jobs have declared; the lists of dead ones are removed."""
        keys, now = set[str](), self.clock()
        for path in (self.root / "used").iterdir():
            with suppress(FileNotFoundError):
                if claims.dead(path.name, path.stat().st_mtime, now, KEPT):
                    path.unlink(missing_ok=True)
                else:
                    keys.update(path.read_text().split())
        return keys

    def clock(self) -> float:
        """Gives the time in seconds by the file server's clock; the lists' folder is read anew after it."""
        return claims.server_time(self.root / "used")

    def discard(self, folder: Path) -> None:
        """Removes a folder; to everybody else it is there or it is not."""
        aside = self.aside(folder.name)
        with suppress(FileNotFoundError):
            os.rename(folder, aside)
            shutil.rmtree(aside, ignore_errors=True)

    def aside(self, name: str) -> Path:
        """Gives a place under tmp that nobody else uses."""
        return self.root / "tmp" / f"{claims.me()}.{id(self)}-{next(self.count)}.{name}"

    def collect(self) -> None:
        """Removes what processes that died were about to delete."""
        now = self.clock()
        for path in (self.root / "tmp").iterdir():
            with suppress(FileNotFoundError, NotADirectoryError):
                if claims.dead(path.name, path.stat().st_ctime, now, KEPT):
                    path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)


def leave(listed: Path, ended: Event) -> None:
    """Ends what tells others that a job lives."""
    ended.set()
    with suppress(OSError):
        listed.unlink(missing_ok=True)


# ---- entries


def check(folder: Path) -> dict[str, Any]:
    """Reads entry.json and compares the files' sizes with it.  Raises Damaged."""
    try:
        entry: dict[str, Any] = json.loads((folder / "entry.json").read_bytes())
        short = [name for name, size in entry["files"].items() if (folder / name).stat().st_size != size]
        entry["warnings"], entry["crc32"].keys()
        entry.setdefault("seconds", 0.0)  # of entries from before it was noted
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Damaged(f"{folder} is not a whole entry: {error}") from error
    if short:
        raise Damaged(f"{folder / short[0]} has not the size it was written with")
    return entry


def checksum(path: Path) -> int:
    """Gives the CRC-32 of a file's bytes.  Raises Damaged where it cannot be read."""
    total, buffer = 0, bytearray(READ)
    try:
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(buffer):
                total = zlib.crc32(memoryview(buffer)[:count], total)
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error}") from error
    return total


# ---- disk


def out_of_space(error: BaseException, root: Path) -> OutOfSpace | None:
    """Gives the sentence for a full disk, or None where the error is another.

    Libraries hide the reason of a failed write, so an error that is not ours on a disk with nothing left counts too.
    """
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    if not full and isinstance(error, Exception) and not isinstance(error, RetacError):
        full = "No space left" in str(error) or free_bytes(root) < NEARLY_FULL
    if not full:
        return None
    return OutOfSpace(
        f"the disk of the cache folder {root} is full; free some space or choose another folder with --work, "
        "then run again: what was finished is kept"
    )


def free_bytes(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError:  # it is not there, so it is not full
        return NEARLY_FULL


def sizes(folder: Path) -> dict[str, int]:
    """Gives the size in bytes of each file under the folder, by its path in it, without entry.json."""
    found: dict[str, int] = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            with suppress(FileNotFoundError):  # another process is at work in it
                found[os.path.relpath(path, folder)] = os.stat(path).st_size
    found.pop("entry.json", None)
    return found


def modified(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def write_synced(path: Path, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
