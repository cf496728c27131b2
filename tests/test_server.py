"""The node as a client meets it: a process of its own over fake stages."""

import hashlib
import os
import secrets
import subprocess
import sys
import time

import pytest
from retac_shared import messages
from retac_shared.order import Order

from retac_node import nodeconfig, server
from retac_node.errors import BadInput
from tests.fake_node import ROOT, TASKS, FakeNode, Plain

CLIP = b"a clip"


@pytest.fixture
def node(tmp_path):
    with FakeNode(tmp_path) as made:
        yield made


def test_a_job_is_done_and_gives_its_parts(node):
    client = Plain(node.address)
    job = client.submit(Order(client.put(CLIP), text="Hello there."), label="shot 7")
    status, parts = client.follow(job)
    assert (status.state, status.fraction, status.label, status.owner) == ("done", 1.0, "shot 7", "local")
    assert list(parts) == [
        "track.npz", "motion.npz", "preview/000000.jpg", "preview/000008.jpg", "preview/000016.jpg", "video.mp4",
        "report.html",
    ]  # fmt: skip
    assert client.get(parts["video.mp4"]).startswith(Order(client.put(CLIP), text="x").clip.encode())
    assert status.warnings == ("the light changes",)


def test_a_job_sent_twice_is_one_job(node):
    client = Plain(node.address)
    order, job = Order(client.put(CLIP), goal="solve"), secrets.token_hex(16)
    first, second = (client.ask(messages.Submit, job, order) for _ in range(2))
    assert first.status.job == second.status.job == job
    assert len(client.ask(messages.List).jobs) == 1
    assert "draw a new one" in client.ask(messages.Submit, job, Order(order.clip, text="Another.")).sentence


def test_the_sentence_of_a_failure_arrives_word_for_word(node):
    client = Plain(node.address)
    status, _ = client.follow(client.submit(Order(client.put(CLIP), text="fail")))
    assert (status.state, status.error) == ("failed", "the line cannot be spoken; choose another")
    status, _ = client.follow(client.submit(Order(client.put(CLIP), text="mistake")))
    assert (status.state, "KeyError" in status.error) == ("failed", True)


def test_a_clip_beyond_the_limits_fails_in_the_worker(node):
    client = Plain(node.address)
    status, _ = client.follow(client.submit(Order(client.put(bytes(1_000_001)), goal="solve")))
    assert "too long" in status.error


def test_a_range_becomes_a_slot_and_one_beyond_the_clip_is_said(node):
    client = Plain(node.address)
    order = Order(client.put(CLIP), text="Hi.", start=0.2, end=0.4)
    assert client.follow(client.submit(order))[0].state == "done"
    status, _ = client.follow(client.submit(Order(order.clip, text="Hi.", start=0.2, end=9.0)))
    assert "the clip lasts 0.96 s" in status.error


def test_files_that_are_not_here_are_asked_for(node):
    answer = Plain(node.address).ask(messages.Submit, secrets.token_hex(16), Order("0" * 64, goal="solve"))
    assert "send it first" in answer.sentence


def test_a_file_comes_in_pieces_and_goes_out_in_pieces(node):
    client, data = Plain(node.address), bytes(range(256)) * 5000
    sha256 = hashlib.sha256(data).hexdigest()
    credit = client.ask(messages.Put, sha256, len(data))
    for start in range(0, len(data), 500_000):
        client.send(messages.Chunk(client.requests, start, len(data)), data[start : start + 500_000])
    assert (credit.offset, credit.count, type(client.hear())) == (0, len(data), messages.Done)
    first, one = client.ask(messages.Get, sha256, 0, len(data))
    second, two = client.hear()
    assert (first.offset, second.offset, one + two) == (0, messages.CHUNK, data)
    assert isinstance(client.ask(messages.Put, sha256, len(data)), messages.Done)


def test_bytes_that_are_not_the_file_are_refused(node):
    client = Plain(node.address)
    client.ask(messages.Put, "0" * 64, 3)
    client.send(messages.Chunk(client.requests, 0, 3), b"abc")
    assert "not the file" in client.hear().sentence
    credit = client.ask(messages.Put, "1" * 64, 9)
    client.send(messages.Chunk(client.requests, 5, 9), b"abc")
    assert (credit.count, "begin the upload again" in client.hear().sentence) == (9, True)


def test_too_large_a_file_is_refused_before_it_is_sent(tmp_path):
    with FakeNode(tmp_path, file_limit_bytes=1000) as node:
        assert "1000" in Plain(node.address).ask(messages.Put, "0" * 64, 1001).sentence


def test_a_queued_job_is_cancelled_at_once_and_a_running_one_with_its_worker(node):
    client = Plain(node.address)
    long = client.submit(Order(client.put(CLIP), text="Long.", train_minutes=10))
    queued = client.submit(Order(client.put(CLIP), goal="solve"))
    client.follow(long, lambda status: status.doing == "learning")
    before = node.workers()
    assert client.ask(messages.Cancel, queued).status.state == "cancelled"
    assert client.ask(messages.Cancel, long).status.doing == "stopping"
    assert client.follow(long)[0].state == "cancelled"
    assert not set(before) & set(node.workers())
    assert client.ask(messages.Cancel, long).status.state == "cancelled"
    assert client.follow(client.submit(Order(client.put(CLIP), goal="solve")))[0].state == "done"


def test_a_worker_that_does_not_listen_is_killed(node):
    client = Plain(node.address)
    job = client.submit(Order(client.put(CLIP), text="Deaf.", train_minutes=14))
    client.follow(job, lambda status: status.stage == "adapt")
    client.ask(messages.Cancel, job)
    assert client.follow(job)[0].state == "cancelled"


def test_a_cancelled_job_goes_on_when_resumed(node):
    client = Plain(node.address)
    job = client.submit(Order(client.put(CLIP), text="Long.", train_minutes=0.02))
    client.follow(job, lambda status: status.doing == "learning")
    client.ask(messages.Cancel, job)
    client.follow(job)
    assert client.ask(messages.Resume, job).status.state in ("queued", "running")
    status, parts = client.follow(job)
    assert (status.state, "video.mp4" in parts) == ("done", True)
    calls = node.calls()
    assert sorted(calls.count(key) for key in set(calls))[-2:] in ([1, 1], [1, 2])  # the training, at most


def test_a_job_that_comes_first_is_given_way_between_tasks(node):
    client = Plain(node.address)
    low = client.submit(Order(client.put(CLIP), text="Low.", train_minutes=0.03), priority=-1)
    client.follow(low, lambda status: status.doing == "learning")
    high = client.submit(Order(client.put(CLIP), text="High."), priority=5)
    assert client.follow(high)[0].state == "done"
    assert client.status(low).state != "done"
    assert client.follow(low)[0].state == "done"
    assert len(node.calls()) == len(set(node.calls()))


def test_two_devices_run_two_jobs_at_once(tmp_path):
    with FakeNode(tmp_path, devices=["cpu", "cpu"]) as node:
        client = Plain(node.address)
        jobs = [client.submit(Order(client.put(CLIP), text="Long.", train_minutes=10, seed=n)) for n in range(3)]
        for job in jobs[:2]:
            client.follow(job, lambda status: status.doing == "learning")
        assert client.status(jobs[2]).state == "queued"
        client.ask(messages.Cancel, jobs[0])
        client.follow(jobs[2], lambda status: status.doing == "learning")


def test_jobs_run_by_priority_then_age(node):
    client = Plain(node.address)
    blocker = client.submit(Order(client.put(CLIP), text="Block.", train_minutes=0.02), priority=100)
    client.follow(blocker, lambda status: status.state == "running")
    jobs = {p: client.submit(Order(client.put(CLIP), text=f"Line {p}."), priority=p) for p in (1, 3, 2)}
    assert [client.status(jobs[p]).ahead for p in (3, 2, 1)] == [0, 1, 2]
    for job in jobs.values():
        client.follow(job)
    log = (node.home / "log").read_text()
    done = [log.index(f'"job": "{jobs[p]}", "owner": "local", "goal": "dub", "state": "done"') for p in (3, 2, 1)]
    assert done == sorted(done)


def test_a_task_that_takes_its_worker_along_fails_the_job(node):
    client = Plain(node.address)
    status, _ = client.follow(client.submit(Order(client.put(CLIP), text="Crash.", train_minutes=13)))
    assert (status.state, "in stage adapt, 2 times" in status.error) == ("failed", True)
    assert client.follow(client.submit(Order(client.put(CLIP), text="Fine.")))[0].state == "done"


def test_consent_queue_and_watches_have_their_bounds(tmp_path):
    with FakeNode(tmp_path, require_consent=True, queue_limit_per_client=2, watch_limit=1) as node:
        client = Plain(node.address)
        clip = client.put(CLIP)
        assert "consent" in client.ask(messages.Submit, secrets.token_hex(16), Order(clip, goal="solve")).sentence
        order = Order(clip, text="Long.", train_minutes=10, consent="form 7")
        jobs = [client.submit(order) for _ in range(2)]
        assert "wait already" in client.ask(messages.Submit, secrets.token_hex(16), order).sentence
        client.ask(messages.Watch, jobs[0])
        assert "watched already" in client.ask(messages.Watch, jobs[1]).sentence


def test_lists_come_in_pages_newest_first(tmp_path):
    with FakeNode(tmp_path, queue_limit_per_client=500) as node:
        client = Plain(node.address)
        order = Order(client.put(CLIP), text="Long.", train_minutes=10)
        jobs = [client.submit(order) for _ in range(messages.PAGE + 5)]
        first = client.ask(messages.List)
        rest = client.ask(messages.List, before=first.jobs[-1].created)
        assert [job.job for job in (*first.jobs, *rest.jobs)] == jobs[::-1]
        assert (first.more, rest.more) == (True, False)


def test_another_version_hears_both_numbers(node):
    client = Plain(node.address, hello=False)
    client.send(messages.Hello(99, "retac 9.9"))
    answer = client.hear()
    assert "protocol 99" in answer.sentence
    assert f"protocol {messages.VERSION}" in answer.sentence


def test_who_has_not_said_hello_is_told_to(node):
    client = Plain(node.address, hello=False)
    client.send(messages.Ask(1))
    assert "Hello first" in client.hear().sentence
    client.socket.send_multipart([b"\xff" * 50])
    assert "cannot be read" in client.hear().sentence


def test_numbers_are_told(node):
    client = Plain(node.address)
    client.follow(client.submit(Order(client.put(CLIP), text="Hi.")))
    values = client.ask(messages.Ask).values
    assert (values["retac_jobs_now_done"], values["retac_workers"], values["retac_tasks_total"]) == (1, 1, TASKS)


def test_a_second_node_in_the_same_home_says_so(node, tmp_path):
    with pytest.raises(BadInput, match="another node"):
        server.serve(nodeconfig.load(node.home / "node.yaml"))


def test_a_port_that_is_taken_is_said(node, tmp_path):
    (tmp_path / "other.yaml").write_text(f"home: {tmp_path / 'other'}\nbind: {node.address}")
    with pytest.raises(BadInput, match="cannot listen"):
        server.serve(nodeconfig.load(tmp_path / "other.yaml"))


def test_the_node_starts_with_nothing_heavy():
    heavy = "{'torch', 'cv2', 'av', 'retac_node.stages', 'librosa', 'onnxruntime'}"
    ask = f"import sys, retac_node.server; print({heavy} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "shared")))}
    assert subprocess.check_output([sys.executable, "-c", ask], env=environment, text=True).strip() == "set()"


def test_a_client_that_does_not_read_holds_nobody_up_and_takes_no_memory(node):
    greedy, good = Plain(node.address, rcvhwm=1), Plain(node.address)
    data = os.urandom(4 * messages.CHUNK)
    sha256 = hashlib.sha256(data).hexdigest()
    greedy.ask(messages.Put, sha256, len(data))
    for start in range(0, len(data), messages.CHUNK):
        greedy.send(messages.Chunk(greedy.requests, start, len(data)), data[start : start + messages.CHUNK])
    assert isinstance(greedy.hear(), messages.Done)
    before = memory(node.process.pid)
    for request in range(100, 2000):
        greedy.send(messages.Get(request, sha256, 0, len(data)))
    for _ in range(20):
        assert isinstance(good.ask(messages.Ask), messages.Metrics)
        time.sleep(0.05)
    assert memory(node.process.pid) - before < 200 << 20


def memory(pid):
    """Resident bytes."""
    with open(f"/proc/{pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
