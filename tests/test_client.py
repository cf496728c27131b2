"""The client against a small stand-in for the node: files, jobs, and a connection that breaks."""

import hashlib
import random
import time

import pytest
from retac_shared.access import BadAddress, checked_address, read_key
from retac_shared.client import Client, new_job
from retac_shared.follower import Follower
from retac_shared.inbox import Failed, Fetched, Inbox, Link, Moved, Sent
from retac_shared.jobs import JobStatus, Part
from retac_shared.messages import Credit, Jobs, Metrics, Parts, Put, Refused, Status, Submit, Watch
from retac_shared.order import Order
from retac_shared.transfers import Upload

from retac_node.keys import new_client, node_pair
from tests.fake_router import FakeNode

MIB = 1 << 20
LONG = 60.0  # seconds; only a failing test waits that long


def digest(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def node():
    node = FakeNode()
    yield node
    node.stop()


@pytest.fixture
def client(node):
    with Client(node.address) as client:
        yield client


def first(client, *kinds, such=lambda reply: True):
    """Waits for a reply of these kinds; gives it."""
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        reply = client.next(1.0)
        if isinstance(reply, kinds) and such(reply):
            return reply
    raise AssertionError(f"nothing of {kinds} came; the link is {client.link}")


def a_file(path, size, seed=0):
    draw = random.Random(seed)
    with open(path, "wb") as file:
        for left in range(size, 0, -MIB):
            file.write(draw.randbytes(min(MIB, left)))
    return path


def order(clip=b"clip"):
    return Order(digest(clip), text="Hello.")


# ---- files


@pytest.mark.parametrize("size", [0, 1, MIB, 20 * MIB + 5])
def test_a_file_goes_up_and_comes_down(node, client, tmp_path, size):
    path = a_file(tmp_path / "up", size)
    client.upload(path)
    sent = first(client, Sent, Refused)
    assert node.files[sent.sha256] == path.read_bytes()
    client.download(sent.sha256, tmp_path / "down")
    assert first(client, Fetched, Refused).path.read_bytes() == path.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["down", "up"]


def test_a_file_that_the_node_has_is_not_sent(node, client, tmp_path):
    path = a_file(tmp_path / "up", 5 * MIB)
    node.files[digest(path.read_bytes())] = path.read_bytes()
    client.upload(path)
    first(client, Sent)
    assert node.coming.get(digest(path.read_bytes())) in (None, bytearray())


def test_an_upload_goes_on_after_the_node_was_started_again(node, client, tmp_path):
    path = a_file(tmp_path / "up", 60 * MIB)
    client.upload(path)
    first(client, Moved, such=lambda moved: moved.done > 10 * MIB)
    node.stop()
    came = {name: len(held) for name, held in node.coming.items()}
    node.start()
    assert node.files[first(client, Sent, Refused).sha256] == path.read_bytes()
    assert next(message for message in node.heard if isinstance(message, Put)).sha256 in came


def test_credits_past_the_end_of_a_file_leave_nothing_out(tmp_path):
    upload = Upload(1, a_file(tmp_path / "up", 3 * MIB), "0" * 64, Follower())
    upload.take(Credit(1, 0, 4 * MIB))
    upload.take(Credit(1, 4 * MIB, 4 * MIB))
    assert [chunk.offset for chunk, _ in upload.chunks()] == [0, MIB, 2 * MIB]


def test_a_download_goes_on_in_another_process(node, tmp_path):
    data = random.Random(1).randbytes(30 * MIB)
    node.files[digest(data)] = data
    with Client(node.address) as client:
        client.download(digest(data), tmp_path / "down")
        first(client, Moved, such=lambda moved: moved.done > 6 * MIB)
    part = next(tmp_path.glob(".down.*.part"))
    assert part.stat().st_size > 0
    with Client(node.address) as client:
        client.download(digest(data), tmp_path / "down")
        assert first(client, Fetched, Refused).path.read_bytes() == data


def test_wrong_bytes_are_never_put_in_place(node, client, tmp_path):
    data = random.Random(1).randbytes(MIB)
    node.files[digest(data)] = data
    node.fault = lambda held, get: bytes(len(held))
    client.download(digest(data), tmp_path / "down")
    assert "wrong" in first(client, Failed, Fetched).sentence
    assert list(tmp_path.iterdir()) == []


def test_what_another_file_left_is_dropped(node, client, tmp_path):
    data = b"short"
    node.files[digest(data)] = data
    (tmp_path / f".down.{digest(data)[:16]}.part").write_bytes(b"of another, longer one")
    client.download(digest(data), tmp_path / "down")
    assert first(client, Fetched, Refused).path.read_bytes() == data


def test_damage_in_what_an_earlier_run_left_is_made_good(node, client, tmp_path):
    data = random.Random(1).randbytes(9 * MIB)
    node.files[digest(data)] = data
    (tmp_path / f".down.{digest(data)[:16]}.part").write_bytes(bytes(5 * MIB))
    client.download(digest(data), tmp_path / "down")
    assert first(client, Fetched, Refused, Failed).path.read_bytes() == data


def test_many_files_are_asked_for_at_once(node, client, tmp_path):
    held = {digest(data): data for data in (random.Random(seed).randbytes(1000 + seed) for seed in range(300))}
    node.files.update(held)
    asked = [client.download(name, tmp_path / name) for name in held]
    got = {first(client, Fetched, Refused, Failed).path.name for _ in asked}
    assert {name: (tmp_path / name).read_bytes() for name in got} == held


def test_files_that_cannot_be_read_or_written_are_said(client, tmp_path):
    client.upload(tmp_path / "missing")
    assert "missing" in first(client, Failed).sentence
    client.download("0" * 64, tmp_path / "no" / "folder")
    assert "folder" in first(client, Failed).sentence
    client.download("0" * 64, tmp_path / "down")
    assert first(client, Refused).sentence == "the file is not here"


@pytest.mark.slow
def test_bytes_are_right_after_twenty_disconnects(node, client, tmp_path):
    draw, path = random.Random(5), a_file(tmp_path / "up", 300 * MIB)
    client.upload(path)
    for _ in range(10):
        time.sleep(draw.uniform(0.0, 0.2))
        node.stop()
        node.start()
    sent = first(client, Sent, Refused)
    client.download(sent.sha256, tmp_path / "down")
    for _ in range(10):
        time.sleep(draw.uniform(0.0, 0.2))
        node.stop()
        node.start()
    assert digest(first(client, Fetched, Refused).path.read_bytes()) == sent.sha256


# ---- jobs


def test_requests_are_answered(node, client):
    node.files[digest(b"clip")] = b"clip"
    job = new_job()
    request = client.submit(order(), job, label="one")
    assert first(client, Status).request == request
    client.list()
    assert [status.job for status in first(client, Jobs).jobs] == [job]
    client.ask()
    assert first(client, Metrics).values == {"retac_jobs": 1.0}
    client.cancel(job)
    assert first(client, Status).status.state == "cancelled"
    client.cancel(new_job())
    assert first(client, Refused).sentence == "there is no such job"


def test_what_was_asked_while_the_node_was_away_is_said_when_it_is_back(node, client):
    node.files[digest(b"clip")] = b"clip"
    first(client, Link, such=lambda link: link.state == "connected")
    node.stop()
    first(client, Link, such=lambda link: link.state == "connecting")
    job = new_job()
    client.submit(order(), job)
    node.start()
    assert first(client, Status).status.job == job
    assert len([message for message in node.heard if isinstance(message, Submit)]) == 1


def test_a_watch_goes_on_with_the_parts_that_are_missing(node, client):
    node.files[digest(b"clip")] = b"clip"
    job = new_job()
    client.submit(order(), job)
    first(client, Status)
    client.watch(job)
    first(client, Status)
    node.make(job, "a", b"1")
    assert [part.name for part in first(client, Parts).parts] == ["a"]
    node.stop()
    node.make(job, "b", b"2")
    node.start()
    told = first(client, Parts)
    assert (told.first, [part.name for part in told.parts]) == (1, ["b"])
    assert [message for message in node.heard if isinstance(message, Watch)][-1].parts == 1


def test_a_dropped_watch_tells_no_more(node, client):
    node.files[digest(b"clip")] = b"clip"
    job = new_job()
    client.submit(order(), job)
    first(client, Status)
    request = client.watch(job)
    first(client, Status)
    client.drop(request)
    client.ask()
    first(client, Metrics)
    node.update(job, state="running")
    client.ask()
    assert isinstance(first(client, Metrics, Status), Metrics)


# ---- the line


def test_a_silent_node_is_taken_for_gone_and_found_again(node, client):
    first(client, Link, such=lambda link: link.state == "connected")
    node.silent = True
    assert first(client, Link, such=lambda link: link.state == "connecting").sentence == "the node is silent"
    node.silent = False
    assert first(client, Link, such=lambda link: link.state == "connected").welcome.application == "fake 1"


def test_a_client_that_the_node_forgot_says_hello_again(node, client):
    first(client, Link, such=lambda link: link.state == "connected")
    node.errands.append(lambda: node.say(node.last, Refused(0, "say Hello first")))
    assert first(client, Link).state == "connecting"
    assert first(client, Link).state == "connected"


def test_another_version_is_refused_in_words():
    node = FakeNode(version=7)
    with Client(node.address) as client:
        assert "version 7" in first(client, Link, such=lambda link: link.state == "refused").sentence
    node.stop()


def test_a_key_that_is_not_on_the_list_is_said(tmp_path):
    key = new_client(tmp_path / "keys", "ann", "submit", tmp_path / "ann.key")
    node = FakeNode(pair=node_pair(tmp_path / "keys"))
    with Client(node.address, key) as client:
        assert "does not know this key" in first(client, Link, such=lambda link: link.state == "refused").sentence
    node.stop()


def test_a_key_on_the_list_connects(tmp_path):
    from zmq.utils import z85

    key = new_client(tmp_path / "keys", "ann", "submit", tmp_path / "ann.key")
    node = FakeNode(pair=node_pair(tmp_path / "keys"), allowed=(z85.decode(read_key(key).public),))
    with Client(node.address, key) as client:
        first(client, Link, such=lambda link: link.state == "connected")
    node.stop()


def test_no_key_is_never_answered(tmp_path):
    node = FakeNode(pair=node_pair(tmp_path / "keys"))
    with Client(node.address) as client:
        first(client, Link, such=lambda link: link.state == "connecting" and link.sentence)
    assert node.heard == []
    node.stop()


@pytest.mark.parametrize("address", ["", "tcp://", "http://a:1", "tcp://a", "ipc:///tmp/x", "tcp://a:1;b", "a b:1"])
def test_an_address_that_is_none_is_said(address):
    with pytest.raises(BadAddress):
        checked_address(address)


def test_host_and_port_are_enough():
    assert checked_address("render7.local:7711") == "tcp://render7.local:7711"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"public": 1, "secret": 2, "node": 3}', "\x00"])
def test_a_key_file_that_is_none_is_said(tmp_path, text):
    (tmp_path / "a.key").write_text(text)
    (tmp_path / "a.key").chmod(0o600)
    with pytest.raises(BadAddress):
        read_key(tmp_path / "a.key")


def test_a_key_file_that_others_can_read_is_not_used(tmp_path):
    key = new_client(tmp_path / "keys", "ann", "submit", tmp_path / "ann.key")
    key.chmod(0o640)
    with pytest.raises(BadAddress, match="chmod 600"):
        read_key(key)


# ---- the inbox


def status(change, job="a" * 32):
    return Status(3, JobStatus(job, "", "local", "dub", "running", 0, change, 0.0))


def test_a_thousand_statuses_of_a_job_are_one():
    inbox = Inbox()
    for change in range(1000):
        inbox.put(status(change))
    assert [reply.status.change for reply in inbox.drain(1.0)] == [999]


def test_parts_come_whole_and_before_the_status_that_followed_them():
    inbox, parts = Inbox(), [Part(str(at), "0" * 64, 1) for at in range(5)]
    inbox.put(status(1))
    inbox.put(Parts(3, 0, tuple(parts[:2])))
    inbox.put(Parts(3, 1, tuple(parts[1:5])))
    inbox.put(status(2))
    assert list(inbox.drain(1.0)) == [Parts(3, 0, tuple(parts)), status(2)]


def test_a_drain_ends_when_its_time_is_spent():
    inbox = Inbox()
    for at in range(100):
        inbox.put(status(1, f"{at:032x}"))
    assert len(list(inbox.drain(0.0))) == 1
