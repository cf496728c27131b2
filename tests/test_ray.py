"""Ray's workers with stages of a few lines: the same results, lost workers, errors, cancelling, and nothing left behind."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from retac_shared.order import Order

from retac_node import pipe
from retac_node.engine.cache import Cache
from retac_node.engine.events import Event, Finished, Started, Warned
from retac_node.engine.run import Job, run
from retac_node.errors import BadInput, Cancelled
from retac_node.workers import Pool, Setting
from tests.fake_farm import Asked, job
from tests.fake_node import ROOT, TASKS
from tests.fake_stages import JOB, go
from tests.test_workers import LIMITS, ended, free, heard, start

pytest.importorskip("ray")
from retac_node.farm.crew import Crew, Needs
from retac_node.farm.ray import Mistake, Ray, connected, token

PATIENCE = 60.0  # seconds after which something that never comes fails the test


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ray]:
    """Two workers on this machine: the one start of Ray in all tests."""
    with connected(tmp_path_factory.mktemp("home"), "", "cpu", "tests.fake_farm:FARM", cpus=2) as executor:
        yield executor


def by_ray(
    cluster: Ray, root: Path, job: Job, stop: threading.Event | None = None
) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return run(job, Cache(root, 10**9), events.append, stop or threading.Event(), executor=cluster), events


def test_workers_make_the_same_bytes(cluster: Ray, tmp_path: Path) -> None:
    _, events = by_ray(cluster, tmp_path / "ray", JOB)
    go(tmp_path / "local")
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")
    assert [event for event in events if isinstance(event, Warned)] == [Warned("ingest", "it is dark")]
    told = [(type(event), event.stage, event.frames) for event in events if isinstance(event, Started | Finished)]
    assert len(told) == len(set(told)) == 2 * len(list((tmp_path / "ray" / "done").iterdir()))


def contents(root: Path) -> dict[str, bytes]:
    """What the entries hold, but for how long they took."""
    files = [path for path in (root / "done").rglob("*") if path.is_file() and path.name != "entry.json"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_a_worker_stays_for_the_next_task(cluster: Ray, tmp_path: Path) -> None:
    for number in range(2):
        by_ray(cluster, tmp_path / "work", job("dies", tmp_path, Asked(f"{number}")))
    assert len(set((tmp_path / "runs").read_text().split())) == 1


def test_a_task_whose_worker_is_killed_goes_on_from_its_checkpoint(cluster: Ray, tmp_path: Path) -> None:
    results, events = by_ray(cluster, tmp_path / "work", job("dies", tmp_path, Asked("twice", deaths=2)))
    assert list(results["dies"].data) == [3]
    assert len(set((tmp_path / "runs").read_text().split())) == 3
    assert [event for event in events if isinstance(event, Warned)] == [Warned("dies", "it is dark")]


def test_bad_input_comes_as_it_was_raised(cluster: Ray, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^no face in frames 3-8; trim them$") as caught:
        by_ray(cluster, tmp_path / "work", job("fails", tmp_path))
    assert caught.value.exit_code == 2


def test_a_mistake_is_tried_on_three_workers(cluster: Ray, tmp_path: Path) -> None:
    with pytest.raises(Mistake, match="KeyError: 'a mistake of ours'"):
        by_ray(cluster, tmp_path / "work", job("errs", tmp_path))
    assert len(set((tmp_path / "runs").read_text().split())) == 3


def test_a_cancelled_worker_is_gone_in_the_middle_of_a_library_call(cluster: Ray, tmp_path: Path) -> None:
    stop, runs = threading.Event(), tmp_path / "runs"
    threading.Thread(target=lambda: (wait_for(runs.exists), stop.set())).start()
    with pytest.raises(Cancelled):
        by_ray(cluster, tmp_path / "work", job("deaf", tmp_path), stop)
    process = int(runs.read_text())
    wait_for(lambda: not os.path.exists(f"/proc/{process}"))
    assert cluster.crew.hands == [] or all(hand.free for hand in cluster.crew.hands)


def wait_for(holds: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)


# ---- the crew, without Ray

ONE, TWO = Needs(1, 0, 1), Needs(2, 0, 1)


def crew() -> tuple[Crew, list[Needs]]:
    fired: list[Needs] = []
    return Crew(lambda needs: needs, fired.append, lambda: {"CPU": 2.0, "memory": 8.0}), fired


def test_a_free_worker_of_another_kind_makes_room_and_a_busy_one_does_not() -> None:
    made, fired = crew()
    with made.changed, made.hand(ONE, lambda: None):
        assert made.find(TWO) is None
    with made.hand(TWO, lambda: None) as hand:
        assert (hand, fired) == (TWO, [ONE])


def test_a_worker_is_kept_after_a_task_and_ended_after_an_error() -> None:
    made, fired = crew()
    with made.hand(ONE, lambda: None):
        pass
    assert [hand.free for hand in made.hands] == [True]
    with pytest.raises(Cancelled), made.hand(ONE, lambda: None):
        raise Cancelled
    assert (made.hands, fired) == ([], [ONE])


def test_a_token_is_shown_to_a_cluster_where_there_is_one(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    assert token() == {}
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("secret")
    assert token() == {"RAY_AUTH_MODE": "token"}


def test_what_no_host_has_is_said() -> None:
    with pytest.raises(BadInput, match="the Ray cluster has 2 of CPU and a task needs 3; add a host"):
        crew()[0].find(Needs(3, 0, 1))


# ---- a node's worker


@pytest.mark.slow  # it starts a cluster of its own
def test_a_worker_of_a_node_has_its_tasks_made_by_ray_and_leaves_nothing(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "shared"))))
    (tmp_path / "clip").write_bytes(b"a clip")
    setting = Setting(tmp_path, tmp_path / "scratch", LIMITS, "tests.fake_node:CRAFT", None, "ray")
    pool = Pool(("cpu",), setting)
    try:
        worker = free(pool)
        start(pool, worker, tmp_path)
        assert ended(heard(pool, ended)) == [pipe.Ended("done", ran=TASKS)]
        cluster = set(descendants(worker.process.pid))
        start(pool, worker, tmp_path, Order("c" * 64, text="Long.", train_minutes=14))  # hears nothing
        heard(pool, lambda said: any(getattr(message, "stage", "") == "adapt" for message in said))
        pool.stop(worker)
        heard(pool, lambda said: said and not isinstance(said[-1], pipe.PipeMessage))
    finally:
        pool.close()
    wait_for(lambda: not any(os.path.exists(f"/proc/{process}") for process in cluster))


def descendants(process: int) -> Iterator[int]:
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            number, parent = int(path.parent.name), int(path.read_text().rpartition(")")[2].split()[1])
            if parent == process:
                yield number
                yield from descendants(number)
