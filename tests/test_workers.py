"""The pool: workers are started, told, killed and replaced, and nobody waits for them."""

import os
import select
import signal
import time

import pytest
from retac_shared.order import Order

from retac_node import pipe
from retac_node.workers import Pool, Setting, environment
from tests.fake_node import ROOT, TASKS

LIMITS = {"seconds": 600.0, "frames": 9000, "pixels": 10**7, "memory": 0}
ORDER = Order("c" * 64, text="Hello.", train_minutes=0.0)


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), str(ROOT / "shared"))))
    (tmp_path / "clip").write_bytes(b"a clip")
    made = Pool(("cpu",), Setting(tmp_path, tmp_path / "scratch", LIMITS, "tests.fake_node:CRAFT"))
    yield made
    made.close()


def heard(pool, until, seconds=60.0):
    """What workers say and how they end, until something is as wanted."""
    said, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        workers = {worker.pipe.end.fileno(): worker for worker in pool.workers.values()}
        ready = select.select(list(workers), [], [], min(0.05, pool.wait()))[0]
        said += [message for fileno in ready for message in pool.receive(workers[fileno])]
        said += [died for _, died in pool.tick()]
        if until(said):
            return said
    raise AssertionError(said)


def free(pool):
    heard(pool, lambda said: pool.free() is not None)
    return pool.free()


def start(pool, worker, tmp_path, order=ORDER):
    pool.start(worker, pipe.Start("job", order, {"c" * 64: str(tmp_path / "clip")}, ("track.npz",)))


def ended(said):
    return [message for message in said if isinstance(message, pipe.Ended)]


def test_a_job_is_told_as_it_goes(pool, tmp_path):
    worker = free(pool)
    start(pool, worker, tmp_path)
    said = heard(pool, ended)
    assert ended(said) == [pipe.Ended("done", ran=TASKS)]
    assert {message.stage for message in said if isinstance(message, pipe.Working)} >= {"ingest", "adapt", "report"}
    names = [message.name for message in said if isinstance(message, pipe.Made)]
    assert (names[0], "track.npz" in names) == ("motion.npz", False)


def test_what_the_user_has_to_mend_leaves_the_worker_to_the_next_job(pool, tmp_path):
    worker = free(pool)
    start(pool, worker, tmp_path, Order("c" * 64, text="fail", train_minutes=0.0))
    refused = heard(pool, ended)
    worker.job = ""
    start(pool, worker, tmp_path)
    assert [message.how for message in ended(refused + heard(pool, ended))] == ["refused", "done"]


def test_a_worker_that_dies_is_replaced(pool):
    worker = free(pool)
    os.kill(worker.process.pid, signal.SIGKILL)
    said = heard(pool, lambda said: said and pool.free())
    assert said[0].how in ("killed", "out of memory")
    assert pool.free().process.pid != worker.process.pid


def test_a_worker_that_is_stopped_is_gone_soon_whatever_it_is_at(pool, tmp_path):
    for minutes in (10, 14):  # ticks; none
        worker = free(pool)
        start(pool, worker, tmp_path, Order("c" * 64, text="Long.", train_minutes=minutes))
        heard(pool, lambda said: any(getattr(message, "stage", "") == "adapt" for message in said))
        pool.stop(worker)
        assert heard(pool, lambda said: said and not isinstance(said[-1], pipe.PipeMessage))[-1].how == "ended"
        assert worker.process.poll() is not None


def test_one_that_never_is_ready_is_not_started_again_and_again(tmp_path):
    pool = Pool(("cpu",), Setting(tmp_path, tmp_path / "scratch", LIMITS, "no.such.module:CRAFT"))
    assert heard(pool, lambda said: said)[0].how == "crashed"
    assert pool.due[0] > time.monotonic()
    pool.close()


def test_a_worker_sees_its_own_device(tmp_path):
    seen = {name: environment(name, tmp_path)["CUDA_VISIBLE_DEVICES"] for name in ("cpu", "cuda:0", "cuda:3")}
    assert seen == {"cpu": "", "cuda:0": "0", "cuda:3": "3"}


def test_half_a_message_holds_nobody_up():
    ours, theirs = pipe.pair(pipe.ToPool)
    whole = pipe.Pipe(theirs, pipe.ToWorker)
    whole.send(pipe.Told("adapt", "learning", 0.5))
    theirs.send(b"\0\0\0\x09abc")
    assert list(ours.receive()) == [pipe.Told("adapt", "learning", 0.5)]
    assert list(ours.receive()) == []
    theirs.close()
    with pytest.raises(pipe.Closed):
        list(ours.receive())
