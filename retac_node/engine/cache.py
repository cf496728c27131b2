"""Keeps the results of tasks on disk, one folder per key, within a size limit.  Never knows what a result means.

    root/work/<key>   the folder of a task that has begun: its checkpoints outlive a kill and are found again
    root/done/<key>   the same folder, renamed when the task ended: its files, the result (codec.py) and entry.json
    root/tmp/         folders on their way to deletion, renamed first so that nobody meets half an entry
    root/locks/<key>  locked while a process works on the task      root/used/  what each running job reads

Processes share a cache through flock, which the kernel undoes when one dies.  Power loss is met by entry.json, which
is written last, synced, and lists the size of every file: an entry that lacks one, or part of one, is made again.
"""

import errno
import fcntl
import itertools
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from retac_node.engine import codec
from retac_node.engine.codec import Damaged
from retac_node.errors import BadInput, OutOfSpace, RetacError

LOCK_POLLS = 0.001, 0.05  # seconds between two looks at another process's lock, at first and in the end
NEARLY_FULL = 1 << 20  # bytes free, below which any failure to write is taken for a full disk
FOLDERS = ("work", "done", "tmp", "locks", "used")


class Cache:
    """A cache folder as one running job sees it.  Raises BadInput where it cannot be written, OutOfSpace when full."""

    def __init__(self, root: Path, limit_bytes: int) -> None:
        self.root = Path(os.path.abspath(root))
        self.limit = limit_bytes
        self.size: int | None = None  # bytes under work and done when last measured, and what was added since
        self.asides = itertools.count()
        try:
            for name in FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
            self.collect()
            self.using = self.open_list()
        except OSError as error:
            raise out_of_space(error, self.root) or BadInput(
                f"the cache folder {self.root} cannot be written ({error.strerror}); choose another with --work"
            ) from error

    # ---- entries

    def holds(self, key: str, kind: type) -> bool:
        """Tells whether the result is here and whole, and marks it as used now.  A damaged one is removed."""
        folder = self.root / "done" / key
        if not folder.is_dir():
            return False
        try:
            self.load(key, kind)
        except Damaged:
            self.discard(folder)
            return False
        os.utime(folder)
        return True

    def load(self, key: str, kind: type) -> Any:
        """Gives the result, its large arrays mapped from disk and all read-only.  Raises Damaged."""
        folder = self.root / "done" / key
        self.check(folder)
        return codec.load(folder, kind)

    def warnings(self, key: str) -> tuple[str, ...]:
        """Gives the sentences that the stage warned with when it made the result."""
        return tuple(self.check(self.root / "done" / key)["warnings"])

    def check(self, folder: Path) -> dict[str, Any]:
        """Reads entry.json and compares the files with it.  Raises Damaged."""
        try:
            entry = json.loads((folder / "entry.json").read_bytes())
            short = [name for name, size in entry["files"].items() if (folder / name).stat().st_size != size]
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise Damaged(f"{folder} is not a whole entry: {error}") from error
        if short:
            raise Damaged(f"{folder / short[0]} has not the size it was written with")
        return entry

    # ---- tasks

    def work(self, key: str) -> Path:
        """Gives the task's own folder, with whatever an earlier, killed run left there."""
        folder = self.root / "work" / key
        folder.mkdir(exist_ok=True)
        os.utime(folder)
        return folder

    def finish(self, key: str, value: Any, warnings: Iterable[str]) -> None:
        """Stores the result beside the files in the task's folder and makes it all an entry, at once or not at all."""
        work, done = self.root / "work" / key, self.root / "done" / key
        try:
            codec.save(work, value)
            files = sizes(work)
            write_synced(work / "entry.json", json.dumps({"warnings": list(warnings), "files": files}))
        except BaseException:
            for path in (*work.glob("value.*"), work / "entry.json"):
                path.unlink(missing_ok=True)
            raise
        if done.exists():
            self.discard(done)
        os.utime(work)
        os.rename(work, done)
        if self.size is not None:
            self.size += sum(files.values())
        if self.size is None or self.size > self.limit:
            self.make_room()

    @contextmanager
    def lock(self, key: str, tick: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Holds the task for this process; calls `tick` again and again while another one has it."""
        path, pause = self.root / "locks" / key, LOCK_POLLS[0]
        while (file := take(path)) is None:
            tick()
            time.sleep(pause)
            pause = min(2 * pause, LOCK_POLLS[1])
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # first: whoever waits sees that the file is gone and opens a new one
            file.close()

    # ---- room

    def use(self, keys: Iterable[str]) -> None:
        """Declares what the running job reads and makes, in place of what it declared before: it is not evicted.

        It holds as long as this object lives.
        """
        with self.lock("room"):
            self.using.seek(0)
            self.using.truncate()
            self.using.write("\n".join(keys))
            self.using.flush()

    def make_room(self) -> None:
        """Removes what was used longest ago, finished or not, until the limit holds or all that is left is in use."""
        with self.lock("room"):
            used = self.used()
            folders = [path for name in ("work", "done") for path in (self.root / name).iterdir()]
            weights = {path: sum(sizes(path).values()) for path in folders}
            self.size = sum(weights.values())
            for path in sorted(folders, key=modified):
                if self.size <= self.limit:
                    break
                if path.name not in used:
                    self.size -= weights[path]
                    self.discard(path)

    def used(self) -> set[str]:
        """Gives the keys that running jobs have declared; the lists of dead ones are removed."""
        keys: set[str] = set()
        for path in (self.root / "used").iterdir():
            with suppress(FileNotFoundError), open(path) as file:
                if locked_by_another(file):
                    keys.update(file.read().split())
                else:
                    path.unlink(missing_ok=True)
        return keys

    def open_list(self) -> IO[str]:
        """Opens this job's list, locked for as long as the file is open."""
        with self.lock("room"):
            self.used()
            path = self.root / "used" / f"{os.getpid()}.{time.monotonic_ns()}"
            file = open(path, "w")  # noqa: SIM115  it stays open
            fcntl.flock(file, fcntl.LOCK_EX)
        return file

    def discard(self, folder: Path) -> None:
        """Removes a folder; to everybody else it is there or it is not."""
        aside = self.root / "tmp" / f"{folder.name}.{os.getpid()}.{id(self)}-{next(self.asides)}"
        with suppress(FileNotFoundError):
            os.rename(folder, aside)
            shutil.rmtree(aside, ignore_errors=True)

    def collect(self) -> None:
        """Removes what processes that died were about to delete."""
        for path in (self.root / "tmp").iterdir():
            if not alive(int(path.name.split(".")[1])):  # the names are those that `discard` gives
                shutil.rmtree(path, ignore_errors=True)


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


# ---- locks


def take(path: Path) -> IO[str] | None:
    """Gives the locked file, or None while another holds it or has just removed it."""
    file = open(path, "w")  # noqa: SIM115  it stays open: closing it gives the lock back
    with suppress(FileNotFoundError):
        if not locked_by_another(file) and os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
            return file
    file.close()
    return None


def locked_by_another(file: IO[str]) -> bool:
    """Locks the file unless it is locked, and tells whether it was."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
