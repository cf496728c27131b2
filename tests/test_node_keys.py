"""Who is let into a node with keys, and what they see of one another."""

import time

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
