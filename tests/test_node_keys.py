"""Who is let into a node with keys, and what they see of one another."""

import select
import socket
import time
from contextlib import suppress
from threading import Thread

import pytest
from retac_shared import messages
from retac_shared.order import Order

from retac_node import keys
from tests.fake_node import FakeNode, Plain

QUIET = 1.5  # seconds in which nothing is answered


@pytest.fixture
def node(tmp_path):
    for name, role in (("ann", "submit"), ("bob", "submit"), ("eve", "admin")):
        keys.new_client(tmp_path / "keys", name, role, tmp_path / f"{name}.key")
    with FakeNode(tmp_path, keys=str(tmp_path / "keys")) as made:
        yield made


def pair(tmp_path, name):
    held = keys.read(tmp_path / f"{name}.key", ("public", "secret", "node"))
    return {
        "curve_publickey": held["public"].encode(), "curve_secretkey": held["secret"].encode(),
        "curve_serverkey": held["node"].encode(),
    }  # fmt: skip


def test_a_client_is_known_by_its_key_and_sees_its_own_jobs(node, tmp_path):
    ann, bob, eve = (Plain(node.address, **pair(tmp_path, name)) for name in ("ann", "bob", "eve"))
    job = ann.submit(Order(ann.put(b"a clip"), goal="solve"))
    status, parts = ann.follow(job)
    assert status.owner == "ann"
    strange = bob.ask(messages.Cancel, "0" * 32).sentence
    for kind in (messages.Cancel, messages.Resume, messages.Watch):
        assert bob.ask(kind, job).sentence == strange
    assert bob.ask(messages.List).jobs == ()
    assert isinstance(bob.ask(messages.Get, parts["track.npz"], 0, 9), messages.Refused)
    assert [item.job for item in eve.ask(messages.List).jobs] == [job]
    assert eve.get(parts["track.npz"])


def test_without_a_key_or_with_a_wrong_one_nothing_is_answered(node, tmp_path):
    stranger = keys.new_pair()
    wrong = {
        **pair(tmp_path, "ann"),
        "curve_publickey": stranger.public.encode(),
        "curve_secretkey": stranger.secret.encode(),
    }
    for options in ({}, wrong):
        client = Plain(node.address, hello=False, **options)
        client.send(messages.Hello(messages.VERSION, "test"))
        assert client.hear(QUIET) is None


def test_a_revoked_key_is_not_answered_any_more_on_a_living_connection(node, tmp_path):
    ann = Plain(node.address, **pair(tmp_path, "ann"))
    job = ann.submit(Order(ann.put(b"a clip"), text="Long.", train_minutes=0.2))
    ann.follow(job, lambda status: status.doing == "learning")
    ann.send(messages.Watch(77, job))
    keys.remove(tmp_path / "keys", "ann")
    time.sleep(QUIET)
    while ann.hear(0.1) is not None:  # what was sent before
        pass
    ann.send(messages.Ask(78))
    assert ann.hear(QUIET) is None
    again = Plain(node.address, hello=False, **pair(tmp_path, "ann"))
    again.send(messages.Hello(messages.VERSION, "test"))
    assert again.hear(QUIET) is None


class Wiretap:
    """Passes one connection on and keeps what the client's end sent."""

    def __init__(self, address: str) -> None:
        self.target = ("127.0.0.1", int(address.rpartition(":")[2]))
        self.ear = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self.ear.getsockname()[1]}"
        self.heard = b""
        Thread(target=self.pass_on, daemon=True).start()

    def pass_on(self) -> None:
        client, node = self.ear.accept()[0], socket.create_connection(self.target)
        while True:
            for end in select.select([client, node], [], [])[0]:
                data = end.recv(1 << 16)
                if not data:
                    return
                if end is client:
                    self.heard += data
                (node if end is client else client).sendall(data)

    def say_again(self) -> bytes:
        """Sends the same bytes to the node; gives what comes back until it is quiet or hangs up."""
        came = b""
        with socket.create_connection(self.target) as again, suppress(OSError):
            again.settimeout(QUIET)
            again.sendall(self.heard)
            while data := again.recv(1 << 16):
                came += data
        return came


def test_a_recorded_conversation_said_again_is_not_answered(node, tmp_path):
    tap = Wiretap(node.address)
    ann, eve = Plain(tap.address, **pair(tmp_path, "ann")), Plain(node.address, **pair(tmp_path, "eve"))
    ann.ask(messages.Ask)
    before = eve.ask(messages.Ask).values
    came = tap.say_again()
    after = eve.ask(messages.Ask).values
    assert after["retac_sessions"] == before["retac_sessions"] == 2
    assert b"READY" not in came  # the handshake is not ended, so no message is ever read
    assert len(came) < 300
