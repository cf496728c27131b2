"""Says who is at work on a task, among processes and hosts that share a folder.  Holds no lock: a claim is a folder.

    <key>/<n>/        the folder of a task that has begun, taken over n times; its checkpoints outlive a kill
    <key>/<n>.claim   who works in it, "<host>.<process>"; touched while they live; absent where nobody does

To claim is to make folder 0, or to rename folder n to n + 1: of many who try, one succeeds, wherever mkdir and rename
are atomic.  Whoever was thought dead and is not finds that the folder is gone, and has lost the task.
"""

import functools
import hashlib
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

POLLS = 0.001, 0.1  # seconds between two looks at another's claim, at first and in the end
BEAT = 10.0  # seconds between two touches of what a living process has
LEASE = 60.0  # seconds untouched, by the clock of the file server, after which another host's process is dead


class Lost(Exception):
    """Another took the task over, after a silence; look for its result and else try again."""


# ---- who


@functools.cache
def host() -> str:
    """Names this boot of this machine and the name space of its processes: where a process's number means something."""
    parts = [platform.node()]
    for path in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        with suppress(OSError):
            parts.append(os.readlink(path) if os.path.islink(path) else Path(path).read_text())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def me() -> str:
    return f"{host()}.{os.getpid()}"


def dead(who: str, touched: float, now: float, lease: float = LEASE) -> bool:
    """Tells whether a process is gone: at once where it ran here, else when it has not touched its file for long.

    `who` starts with what `me` gave there; the times are the file server's, in seconds.
    """
    place, _, rest = who.partition(".")
    number = rest.partition(".")[0]
    if place == host() and number.isdecimal() and not alive(int(number)):
        return True
    return now - touched > lease


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def server_time(folder: Path) -> float:
    """Gives the time in seconds by the clock that dates the folder's files, which need not be this host's."""
    probe = folder / f"{me()}.{time.monotonic_ns()}"
    probe.touch()
    touched = probe.stat().st_mtime
    probe.unlink(missing_ok=True)
    return touched


def keep_fresh(paths: set[Path], ended: Event) -> None:
    """Touches the files until the event, from a thread of its own: a stage may be long in a library call."""

    def beat() -> None:
        while not ended.wait(BEAT):
            for path in tuple(paths):
                with suppress(OSError):
                    os.utime(path)

    Thread(target=beat, name="claims", daemon=True).start()


# ---- claims


def claim(home: Path, clock: Callable[[], float], tick: Callable[[], None]) -> Path:
    """Gives the task's folder, with whatever was left in it; calls `tick` again and again while a living one has it."""
    pause = POLLS[0]
    while (folder := take(home, clock)) is None:
        tick()
        time.sleep(pause)
        pause = min(2 * pause, POLLS[1])
    return folder


def take(home: Path, clock: Callable[[], float]) -> Path | None:
    """Claims the task; None where another has it, or was quicker."""
    with suppress(FileNotFoundError, FileExistsError):
        home.mkdir(parents=True, exist_ok=True)
        times = max((int(name) for name in os.listdir(home) if name.isdecimal()), default=-1)
        last, folder = home / str(times), home / str(times + 1)
        if times < 0:
            folder.mkdir()
        elif held(last, clock):
            return None
        else:
            os.rename(last, folder)
            mark(last).unlink(missing_ok=True)
        mark(folder).write_text(me())
        if folder.exists():  # else it was taken for one that nobody has
            return folder
        mark(folder).unlink(missing_ok=True)
    return None


def mark(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.claim")


def held(folder: Path, clock: Callable[[], float]) -> bool:
    """Tells whether somebody who lives works in the folder."""
    try:
        who, touched = mark(folder).read_text(), mark(folder).stat().st_mtime
    except FileNotFoundError:
        return False
    return not dead(who, touched, clock())


def release(folder: Path) -> None:
    """Leaves the task to others; the folder stays where something is in it."""
    mark(folder).unlink(missing_ok=True)
    for path in (folder, folder.parent):
        with suppress(OSError):
            path.rmdir()
