"""The commands and the client against a real node process over fake stages: keys, kills, several watchers."""

import hashlib
import threading
import time
from pathlib import Path

import pytest
from retac_shared.client import Client, new_job
from retac_shared.inbox import Fetched, Link, Sent
from retac_shared.messages import Parts, Status
from retac_shared.order import Order

from retac_node.cli import main
from tests.fake_node import FakeNode

LINE = ("--text", "Hello there.")
LONG = 120.0  # seconds; only a failing test waits that long


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Path("talk.mp4").write_bytes(b"a clip")


def wait_for(client, kind, such=lambda reply: True):
    end = time.monotonic() + LONG
    while time.monotonic() < end:
        reply = client.next(1.0)
        if isinstance(reply, kind) and such(reply):
            return reply
    raise AssertionError(f"no {kind} came; {client.link}")


def test_a_shot_comes_back(tmp_path):
    with FakeNode(tmp_path) as node:
        assert main(["submit", "talk.mp4", *LINE, "-o", "out.mp4", "--node", node.address]) == 0
    assert Path("out.mp4").read_bytes().startswith(hashlib.sha256(b"a clip").hexdigest().encode())
    assert Path("out.report.html").read_bytes() == b"page"


def test_a_node_killed_under_a_waiting_client_gives_the_same_shot(tmp_path):
    with FakeNode(tmp_path, pause=0.1) as node:
        assert main(["submit", "talk.mp4", *LINE, "-o", "calm.mp4", "--node", node.address]) == 0
        killer = threading.Thread(target=kills, args=(node, (0.7, 1.3)))
        killer.start()
        ended = main(["submit", "talk.mp4", *LINE, "--seed", "1", "-o", "out.mp4", "--node", node.address])
        killer.join()
    assert ended == 0
    assert len(Path("out.mp4").read_bytes()) == len(Path("calm.mp4").read_bytes())


def kills(node, pauses):
    for pause in pauses:
        time.sleep(pause)
        node.kill()
        node.start()


def test_a_failure_is_told_word_for_word(tmp_path, capsys):
    with FakeNode(tmp_path) as node:
        assert main(["submit", "talk.mp4", "--text", "fail", "--wait", "--node", node.address]) == 2
    assert capsys.readouterr().err.endswith("retac: the line cannot be spoken; choose another\n")


def test_only_clients_on_the_list_are_served_and_each_sees_its_own(tmp_path, capsys):
    assert [main(["keys", "new", name, "--config", str(settings(tmp_path))]) for name in ("ann", "bob")] == [0, 0]
    with FakeNode(tmp_path, keys=str(tmp_path / "keys")) as node:
        assert main(["submit", "talk.mp4", *LINE, "--wait", "--node", node.address, "--key", "ann.key"]) == 0
        capsys.readouterr()
        assert main(["jobs", "--node", node.address, "--key", "bob.key"]) == 0
        assert capsys.readouterr().out == ""
        assert main(["jobs", "--node", node.address, "--key", "ann.key"]) == 0
        job = capsys.readouterr().out.split()[0]
        assert main(["fetch", job, "-o", "got", "--node", node.address, "--key", "bob.key"]) == 3
        assert main(["fetch", job, "-o", "got", "--node", node.address, "--key", "ann.key"]) == 0
        main(["keys", "remove", "ann", "--config", str(settings(tmp_path))])
        time.sleep(1.1)  # the list counts for a second
        assert main(["jobs", "--node", node.address, "--key", "ann.key"]) == 3
    assert Path("got/video.mp4").exists()


def settings(folder):
    (folder / "keys.yaml").write_text(f"keys: {folder / 'keys'}\n")
    return folder / "keys.yaml"


def test_encrypted_files_arrive(tmp_path):
    main(["keys", "new", "ann", "--role", "admin", "--config", str(settings(tmp_path))])
    Path("big").write_bytes(bytes(range(256)) * 12_345)
    with FakeNode(tmp_path, keys=str(tmp_path / "keys")) as node, Client(node.address, Path("ann.key")) as client:
        client.upload(Path("big"))
        client.download(wait_for(client, Sent).sha256, Path("back"))
        wait_for(client, Fetched)
    assert Path("back").read_bytes() == Path("big").read_bytes()


def test_several_watchers_see_the_same_and_one_that_comes_late_sees_it_all(tmp_path):
    with FakeNode(tmp_path) as node, Client(node.address) as one, Client(node.address) as two:
        one.upload(Path("talk.mp4"))
        job = new_job()
        one.submit(Order(wait_for(one, Sent).sha256, text="Hello."), job)
        one.watch(job)
        wait_for(one, Status, lambda told: told.status.state == "done")
        two.watch(job)
        parts = wait_for(two, Parts).parts
        assert wait_for(two, Status).status.parts == len(parts) == 7


def test_metrics_count_the_jobs(tmp_path, capsys):
    with FakeNode(tmp_path) as node:
        assert main(["submit", "talk.mp4", *LINE, "--wait", "--node", node.address]) == 0
        capsys.readouterr()
        assert main(["metrics", "--node", node.address]) == 0
    assert "retac_jobs_now_done 1" in capsys.readouterr().out


def test_a_client_finds_its_node_again_within_seconds(tmp_path):
    with FakeNode(tmp_path) as node, Client(node.address) as client:
        for _ in range(3):
            wait_for(client, Link, lambda link: link.state == "connected")
            node.kill()
            wait_for(client, Link, lambda link: link.state != "connected")
            node.start()
        wait_for(client, Link, lambda link: link.state == "connected")
