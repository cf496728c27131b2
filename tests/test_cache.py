"""The cache keeps whole entries only, within its limit, and never what a job is using."""

import errno
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retac_node.engine import claims, codec
from retac_node.engine.cache import KEPT, Cache
from retac_node.engine.claims import Lost
from retac_node.errors import BadInput, OutOfSpace

ROOT = Path(__file__).parents[1]
KILO = 1000


@dataclass(frozen=True)
class Block:
    data: NDArray[np.uint8]
    folder: str = ""


def put(cache: Cache, key: str, size: int = KILO, warnings: tuple[str, ...] = ()) -> None:
    with cache.claim(key) as folder:
        cache.finish(key, Block(np.zeros(size, np.uint8), str(folder)), warnings)


def leave(cache: Cache, key: str, name: str, text: str) -> None:
    """Leaves a file in a task's folder, as a run that was killed does."""
    with cache.claim(key) as folder:
        (folder / name).write_text(text)


def names(cache: Cache, part: str) -> set[str]:
    return {path.name for path in (cache.root / part).iterdir()}


def test_a_finished_task_is_found_again_with_its_files_and_warnings(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**9)
    leave(cache, "a", "weights.bin", "w")
    put(cache, "a", warnings=("dark",))
    again = Cache(tmp_path, 10**9)
    assert again.holds("a", Block)
    assert again.warnings("a") == ("dark",)
    assert (Path(again.load("a", Block).folder) / "weights.bin").read_text() == "w"
    assert names(again, "work") == set()


def test_the_work_folder_outlives_the_process(tmp_path: Path) -> None:
    leave(Cache(tmp_path, 10**9), "a", "checkpoint", "step 7")
    with Cache(tmp_path, 10**9).claim("a") as folder:
        assert (folder / "checkpoint").read_text() == "step 7"


def flip(path: Path) -> None:
    """Changes a byte in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["weights.bin", "value.json", "entry.json", "value.data.npy"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("x"), flip])
def test_an_entry_with_a_damaged_file_is_a_miss_and_is_removed(tmp_path: Path, name: str, harm: Any) -> None:
    cache = Cache(tmp_path, 10**9)
    leave(cache, "a", "weights.bin", "four")
    put(cache, "a")
    harm(tmp_path / "done" / "a" / name)
    cache = Cache(tmp_path, 10**9)
    assert not cache.holds("a", Block)
    assert names(cache, "done") == set()
    assert names(cache, "tmp") == set()


def test_what_was_used_longest_ago_goes_first(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 4 * KILO)
    for key in "abc":
        put(cache, key)
    assert cache.holds("a", Block)  # used just now, though made first
    put(cache, "d")
    assert names(cache, "done") == {"a", "c", "d"}


def test_unfinished_work_counts_and_goes_too(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 3 * KILO)
    leave(cache, "old", "checkpoint", "x" * 2 * KILO)
    put(cache, "a")
    put(cache, "b")
    assert names(cache, "work") == set()
    assert names(cache, "done") == {"a", "b"}


def test_what_any_living_job_uses_stays(tmp_path: Path) -> None:
    other, cache = Cache(tmp_path, 1), Cache(tmp_path, 1)
    other.use("ab")
    cache.use("c")
    for key in "abcde":
        put(cache, key)
    assert names(cache, "done") == {"a", "b", "c"}
    del other  # its file closes, as when its process dies
    put(cache, "e")
    assert names(cache, "done") == {"c"}


def test_a_claim_is_for_one_and_a_waiter_may_give_up(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, 10**9), Cache(tmp_path, 10**9)

    def give_up() -> None:
        raise InterruptedError

    with one.claim("a"):
        with other.claim("b"):
            pass
        with pytest.raises(InterruptedError), other.claim("a", give_up):
            pass
    with other.claim("a", give_up):
        assert names(one, "work") == {"a"}
    assert names(one, "work") == set()


def test_a_claim_is_never_held_twice(tmp_path: Path) -> None:
    inside, seen = [0], list[int]()

    def enter() -> None:
        cache = Cache(tmp_path, 10**9)
        for _ in range(5):
            with cache.claim("a"):
                inside[0] += 1
                seen.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 20


def elsewhere(folder: Path, seconds: float) -> None:
    """Makes a claim look like that of a process on another host, last touched so long ago."""
    claims.mark(folder).write_text("another-host.1")
    os.utime(claims.mark(folder), (time.time() - seconds,) * 2)


def test_another_hosts_claim_holds_while_it_is_touched_and_ends_when_it_is_not(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, 10**9), Cache(tmp_path, 10**9)

    def fall_silent() -> None:
        elsewhere(folder, 2 * claims.LEASE)

    with ExitStack() as stack:
        folder = stack.enter_context(one.claim("a"))
        (folder / "checkpoint").write_text("step 7")
        elsewhere(folder, 0.0)
        with other.claim("a", fall_silent) as taken:
            assert (taken / "checkpoint").read_text() == "step 7"
            put_here(other, "a")
        with pytest.raises(FileNotFoundError):
            put_here(one, "a")
    assert one.holds("a", Block)


def test_whoever_was_taken_for_dead_learns_that_the_task_is_lost(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**9)

    def work() -> None:
        with cache.claim("a") as folder:
            folder.rename(folder.with_name("1"))
            (folder / "checkpoint").write_text("step 7")

    with pytest.raises(Lost):
        work()


def put_here(cache: Cache, key: str) -> None:
    cache.finish(key, Block(np.zeros(KILO, np.uint8), str(cache.claimed[key])), ())


def test_what_another_host_uses_stays_until_it_was_silent_for_long(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1)
    listed = tmp_path / "used" / "another-host.1.1"
    listed.write_text("a")
    put(cache, "a")
    assert cache.holds("a", Block)
    os.utime(listed, (time.time() - 2 * KEPT,) * 2)
    put(cache, "b")
    assert names(cache, "done") == set()
    assert not listed.exists()


def test_what_a_job_declares_while_it_is_being_evicted_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, cache = Cache(tmp_path, 10**9), Cache(tmp_path, 1)
    put(other, "a")
    rename = os.rename

    def declare(source: Path, target: Path) -> None:
        other.use("a")
        rename(source, target)

    monkeypatch.setattr(os, "rename", declare)
    cache.make_room()
    assert other.holds("a", Block)


def test_what_dead_processes_left_to_delete_is_collected(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    Cache(tmp_path, 10**9)
    for process in (dead.pid, os.getpid()):
        (tmp_path / "tmp" / f"{claims.host()}.{process}.0.a").mkdir()
    assert names(Cache(tmp_path, 10**9), "tmp") == {f"{claims.host()}.{os.getpid()}.0.a"}


def test_a_killed_process_gives_up_its_claim_and_its_list(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal, pathlib; from retac_node.engine.cache import Cache\n"
        "cache = Cache(pathlib.Path(sys.argv[1]), 1); cache.use(['a'])\n"
        "with cache.claim('a') as folder:\n"
        "    (folder / 'checkpoint').touch(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT).returncode == -9
    cache = Cache(tmp_path, 1)
    with cache.claim("a", lambda: pytest.fail("the claim outlived its process")) as folder:
        assert (folder / "checkpoint").exists()
        put_here(cache, "a")
    assert names(cache, "done") == set()  # over the limit, and no one living uses it


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("moment", [(codec.npy, "write_array_header_1_0"), (os, "fsync"), (codec.json, "dumps")])
def test_a_full_disk_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: Any) -> None:
    cache = Cache(tmp_path, 10**9)
    leave(cache, "a", "checkpoint", "step 7")
    monkeypatch.setattr(*moment, full)
    with pytest.raises(OSError, match="No space"):
        put(cache, "a")
    assert names(cache, "done") == set()
    left = [path.name for path in (tmp_path / "work" / "a").rglob("*") if path.is_file()]
    assert left == ["checkpoint"]


def test_a_cache_that_cannot_be_made_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/cache cannot be written"):
        Cache(tmp_path / "file" / "cache", 1)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OutOfSpace, match="new is full"):
        Cache(tmp_path / "new", 1)
