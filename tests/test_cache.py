"""The cache keeps whole entries only, within its limit, and never what a job is using."""

import errno
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retac_node.engine import codec
from retac_node.engine.cache import Cache
from retac_node.errors import BadInput, OutOfSpace

ROOT = Path(__file__).parents[1]
KILO = 1000


@dataclass(frozen=True)
class Block:
    data: NDArray[np.uint8]
    folder: str = ""


def put(cache: Cache, key: str, size: int = KILO, warnings: tuple[str, ...] = ()) -> None:
    folder = cache.work(key)
    cache.finish(key, Block(np.zeros(size, np.uint8), str(folder)), warnings)


def names(cache: Cache, part: str) -> set[str]:
    return {path.name for path in (cache.root / part).iterdir()}


def test_a_finished_task_is_found_again_with_its_files_and_warnings(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 10**9)
    (cache.work("a") / "weights.bin").write_text("w")
    put(cache, "a", warnings=("dark",))
    again = Cache(tmp_path, 10**9)
    assert again.holds("a", Block)
    assert again.warnings("a") == ("dark",)
    assert (Path(again.load("a", Block).folder) / "weights.bin").read_text() == "w"
    assert names(again, "work") == set()


def test_the_work_folder_outlives_the_process(tmp_path: Path) -> None:
    (Cache(tmp_path, 10**9).work("a") / "checkpoint").write_text("step 7")
    assert (Cache(tmp_path, 10**9).work("a") / "checkpoint").read_text() == "step 7"


@pytest.mark.parametrize("name", ["weights.bin", "value.json", "entry.json", "value.data.npy"])
@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_text("x")])
def test_an_entry_with_a_damaged_file_is_a_miss_and_is_removed(tmp_path: Path, name: str, harm: Any) -> None:
    cache = Cache(tmp_path, 10**9)
    (cache.work("a") / "weights.bin").write_text("four")
    put(cache, "a")
    harm(tmp_path / "done" / "a" / name)
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
    (cache.work("old") / "checkpoint").write_bytes(bytes(2 * KILO))
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


def test_a_lock_is_for_one_and_a_waiter_may_give_up(tmp_path: Path) -> None:
    one, other = Cache(tmp_path, 10**9), Cache(tmp_path, 10**9)

    def give_up() -> None:
        raise InterruptedError

    with one.lock("a"):
        with other.lock("b"):
            pass
        with pytest.raises(InterruptedError), other.lock("a", give_up):
            pass
    with other.lock("a", give_up):
        assert names(one, "locks") == {"a"}
    assert names(one, "locks") == set()


def test_a_lock_is_never_held_twice(tmp_path: Path) -> None:
    inside, seen = [0], list[int]()

    def enter() -> None:
        cache = Cache(tmp_path, 10**9)
        for _ in range(5):
            with cache.lock("a"):
                inside[0] += 1
                seen.append(inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [1] * 20


def test_what_dead_processes_left_to_delete_is_collected(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    Cache(tmp_path, 10**9)
    for pid in (dead.pid, os.getpid()):
        (tmp_path / "tmp" / f"a.{pid}.0").mkdir()
    assert names(Cache(tmp_path, 10**9), "tmp") == {f"a.{os.getpid()}.0"}


def test_a_killed_process_gives_up_its_lock_and_its_list(tmp_path: Path) -> None:
    script = (
        "import sys, os, signal, pathlib; from retac_node.engine.cache import Cache\n"
        "cache = Cache(pathlib.Path(sys.argv[1]), 1); cache.use(['a'])\n"
        "with cache.lock('a'): os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT).returncode == -9
    cache = Cache(tmp_path, 1)
    with cache.lock("a", lambda: pytest.fail("the lock outlived its process")):
        put(cache, "a")
    assert names(cache, "done") == set()  # over the limit, and no one living uses it


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("moment", [(codec.npy, "write_array_header_1_0"), (os, "fsync"), (codec.json, "dumps")])
def test_a_full_disk_leaves_no_half_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: Any) -> None:
    cache = Cache(tmp_path, 10**9)
    (cache.work("a") / "checkpoint").write_text("step 7")
    monkeypatch.setattr(*moment, full)
    with pytest.raises(OSError, match="No space"):
        put(cache, "a")
    assert names(cache, "done") == set()
    assert os.listdir(tmp_path / "work" / "a") == ["checkpoint"]


def test_a_cache_that_cannot_be_made_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="file/cache cannot be written"):
        Cache(tmp_path / "file" / "cache", 1)
    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(OutOfSpace, match="new is full"):
        Cache(tmp_path / "new", 1)
