"""What a node and its workers survive: kill -9 at any moment, a full disk, a removed cache, clients that vanish."""

import os
import random
import shutil
import signal
import subprocess
import time

import pytest
from retac_shared import messages
from retac_shared.order import Order

from tests.fake_node import TASKS, FakeNode, Plain

CLIP = b"a clip"
MOMENTS = 10


def order(client, **values):
    return Order(client.put(CLIP), text="Hello there.", train_minutes=0.01, **values)


def undisturbed(folder):
    """The parts of the job when nothing happens to it."""
    folder.mkdir()
    with FakeNode(folder) as node:
        client = Plain(node.address)
        return client.follow(client.submit(order(client)))[1]


def submitted(node):
    client = Plain(node.address)
    job = client.submit(order(client))
    client.close()
    return job


def moments(node, seed):
    """Yields at ten moments spread over the tasks of a job, each somewhere within one."""
    draw = random.Random(seed)
    for begun in sorted(draw.sample(range(1, TASKS), MOMENTS)):
        until = time.monotonic() + 60
        while len(set(node.calls())) < begun and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(node.pause * draw.random())
        yield


def check(node, job, wanted):
    """The job ends with the bytes of an undisturbed one, and nothing was done twice but the tasks in flight."""
    status, parts = Plain(node.address).follow(job)
    assert (status.state, parts) == ("done", wanted)
    assert len(set(node.calls())) == TASKS
    assert TASKS <= len(node.calls()) <= TASKS + MOMENTS


def test_a_node_killed_at_ten_moments_of_a_job_ends_it_with_the_same_bytes(tmp_path):
    wanted = undisturbed(tmp_path / "calm")
    with FakeNode(tmp_path, pause=0.1) as node:
        job = submitted(node)
        for _ in moments(node, 4):
            node.kill()
            node.start()
        check(node, job, wanted)


def test_a_worker_killed_at_ten_moments_of_a_job_ends_it_with_the_same_bytes(tmp_path):
    wanted = undisturbed(tmp_path / "calm")
    with FakeNode(tmp_path, pause=0.1) as node:
        job = submitted(node)
        for _ in moments(node, 5):
            for pid in node.workers():
                os.kill(pid, signal.SIGKILL)
        check(node, job, wanted)


def test_workers_end_with_their_node(tmp_path):
    with FakeNode(tmp_path) as node:
        client = Plain(node.address)
        job = client.submit(Order(client.put(CLIP), text="Long.", train_minutes=10))
        client.follow(job, lambda status: status.doing == "learning")
        workers = node.workers()
        node.kill()
        until = time.monotonic() + 20
        while any(alive(pid) for pid in workers) and time.monotonic() < until:
            time.sleep(0.02)
        assert not any(alive(pid) for pid in workers)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_job_that_is_being_cancelled_does_not_run_again_after_a_kill(tmp_path):
    with FakeNode(tmp_path) as node:
        client = Plain(node.address)
        job = client.submit(Order(client.put(CLIP), text="Deaf.", train_minutes=14))
        client.follow(job, lambda status: status.stage == "adapt")
        client.ask(messages.Cancel, job)
        node.kill()
        node.start()
        assert Plain(node.address).follow(job)[0].state == "cancelled"


def test_a_node_that_is_asked_to_stop_keeps_what_was_done(tmp_path):
    with FakeNode(tmp_path) as node:
        client = Plain(node.address)
        job = client.submit(Order(client.put(CLIP), text="Long.", train_minutes=0.03))
        client.follow(job, lambda status: status.doing == "learning")
        assert node.stop() == 0
        node.start()
        assert Plain(node.address).status(job).state in ("queued", "running")
        assert Plain(node.address).follow(job)[0].state == "done"
        calls = node.calls()
        assert sorted(calls.count(key) for key in set(calls))[-2:] in ([1, 1], [1, 2])  # the training, at most


def test_a_cache_folder_that_goes_away_is_made_anew(tmp_path):
    with FakeNode(tmp_path, pause=0.05) as node:
        client = Plain(node.address)
        job = client.submit(order(client))
        client.follow(job, lambda status: status.stage in ("adapt", "motion", "render"))
        shutil.rmtree(node.home / "work", ignore_errors=True)
        status, parts = client.follow(job)
        assert (status.state, "video.mp4" in parts) == ("done", True) or "run the job again" in status.error
        client.ask(messages.Resume, job)
        assert client.follow(job)[0].state == "done"


def test_a_client_that_was_gone_finds_its_job_as_it_is(tmp_path):
    with FakeNode(tmp_path) as node:
        job = submitted(node)
        client = Plain(node.address)
        client.follow(job)
        first = client.status(job)
        client.close()
        node.stop()
        node.start()
        client = Plain(node.address)
        assert (client.status(job).state, client.status(job).parts) == ("done", first.parts)
        client.send(messages.Watch(9, job, 2))
        assert (answer := client.hear()).first == 2
        assert len(answer.parts) == first.parts - 2


def small_disk(folder, size):
    """A file system of so many bytes; skips where this user may not mount one."""
    folder.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True)
    if made.returncode:
        pytest.skip("only root can mount a small disk")
    return folder


def fill(file):
    with open(file, "wb") as opened:
        while True:
            os.write(opened.fileno(), bytes(1 << 16))


def test_a_full_disk_loses_no_job(tmp_path):
    disk = small_disk(tmp_path / "disk", 40 << 20)
    try:
        with FakeNode(disk, pause=0.05) as node:
            client = Plain(node.address)
            wanted = order(client)
            job = client.submit(wanted)
            client.follow(job, lambda status: status.stage == "track")
            with pytest.raises(OSError, match="No space"):
                fill(disk / "filler")
            status, _ = client.follow(job)
            assert (status.state, "full" in status.error or "no room" in status.error) == ("failed", True), status
            other = client.ask(messages.Submit, "a" * 32, wanted)  # the journal may have room for it
            (disk / "filler").unlink()
            node.kill()
            node.start()
            client = Plain(node.address)
            assert client.status(job).state == "failed"
            assert "full" in other.sentence if isinstance(other, messages.Refused) else client.status("a" * 32)
            client.ask(messages.Resume, job)
            assert client.follow(job)[0].state == "done"
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
