"""Key files: who is let in, who is not, and who may read them."""

import json
import os
import stat

import pytest
from zmq import curve_keypair
from zmq.utils import z85

from retac_node import keys
from retac_node.errors import BadInput
from retac_node.keys import Client, Keys, new_client, node_pair, zap_answer


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(keys, "FRESH", 0.0)
    return tmp_path / "keys"


def public(path):
    return json.loads(path.read_text())["public"]


def request(key, mechanism=b"CURVE"):
    return [b"1.0", b"7", b"", b"127.0.0.1", b"", mechanism, z85.decode(key)]


def test_a_new_client_is_on_the_list_with_its_role(folder, tmp_path):
    made = new_client(folder, "ann", "admin", tmp_path / "ann.key")
    assert Keys(folder).look_up(public(made)) == Client("ann", "admin")
    assert json.loads(made.read_text())["node"] == node_pair(folder).public


def test_secrets_are_readable_by_their_user_alone(folder, tmp_path):
    made = new_client(folder, "ann", "submit", tmp_path / "ann.key")
    for path in (made, folder / "node.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(made.read_text())["secret"] not in (folder / "allowed" / "ann.key").read_text()


def test_a_node_key_that_others_can_read_is_not_used(folder):
    node_pair(folder)
    os.chmod(folder / "node.key", 0o644)
    with pytest.raises(BadInput, match="chmod 600"):
        node_pair(folder)


def test_the_nodes_pair_stays(folder):
    assert node_pair(folder) == node_pair(folder)


def test_a_key_counts_from_the_moment_it_is_there_to_its_removal(folder, tmp_path):
    allowed = Keys(folder)
    key = public(new_client(folder, "ann", "submit", tmp_path / "ann.key"))
    assert allowed.look_up(key) == Client("ann", "submit")
    keys.remove(folder, "ann")
    assert allowed.look_up(key) is None


def test_a_changed_role_counts(folder, tmp_path):
    key = public(new_client(folder, "ann", "submit", tmp_path / "ann.key"))
    allowed = Keys(folder)
    assert allowed.look_up(key).role == "submit"
    (folder / "allowed" / "ann.key").write_text(json.dumps({"public": key, "role": "admin"}))
    assert allowed.look_up(key).role == "admin"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"public": 3, "role": "admin"}', '{"role": "admin"}', "[" * 99999])
def test_a_file_that_is_no_key_lets_nobody_in(folder, tmp_path, text):
    key = public(new_client(folder, "ann", "submit", tmp_path / "ann.key"))
    (folder / "allowed" / "aaa.key").write_text(text)
    allowed = Keys(folder)
    assert allowed.look_up(key) == Client("ann", "submit")
    assert len(allowed.clients) == 1


@pytest.mark.parametrize("name", ["", "../ann", "a/b", "local", ".ann", "a" * 65, "ann\n", "a b"])
def test_names_that_are_no_names_are_refused(folder, tmp_path, name):
    with pytest.raises(BadInput):
        new_client(folder, name, "submit", tmp_path / "new.key")


def test_nothing_is_written_over(folder, tmp_path):
    new_client(folder, "ann", "submit", tmp_path / "ann.key")
    with pytest.raises(BadInput, match="already"):
        new_client(folder, "ann", "submit", tmp_path / "other.key")
    with pytest.raises(BadInput, match="already"):
        new_client(folder, "bob", "submit", tmp_path / "ann.key")


def test_zap_lets_in_a_key_on_the_list_only(folder, tmp_path):
    key = public(new_client(folder, "ann", "submit", tmp_path / "ann.key")).encode()
    allowed = Keys(folder)
    assert zap_answer(request(key), allowed) == [b"1.0", b"7", b"200", b"OK", key, b""]
    stranger = curve_keypair()[0]
    for frames in (request(stranger), request(key, b"PLAIN"), request(key)[:6], request(key) + [b""], [], [b"1.0"]):
        answer = zap_answer(frames, allowed)
        assert (answer[0], answer[2], answer[4], len(answer)) == (b"1.0", b"400", b"", 6)


def test_zap_survives_any_frames(folder):
    allowed = Keys(folder)
    for length in range(9):
        assert zap_answer([os.urandom(length * 5)] * length, allowed)[2] == b"400"
