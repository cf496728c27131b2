"""The commands that speak to a node, against a small stand-in: what they say, leave, and how they end."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from retac_shared.messages import Resume, Submit

from retac_node import talk
from retac_node.cli import main
from tests.fake_router import FakeNode

ROOT = Path(__file__).parents[1]
LINE = ("--text", "Hello there.")
RESULTS = {"motion.npz": b"curves", "preview/000001.jpg": b"picture", "report.html": b"page", "video.mp4": b"video"}


@pytest.fixture
def node(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    Path("talk.mp4").write_bytes(b"a clip")
    node = FakeNode()
    yield node
    node.stop()


def retac(node, *arguments):
    return main([*arguments, "--node", node.address])


def works(node, error="", frames=()):
    """Has each job made at once, or fail with a sentence."""

    def work(job):
        node.update(job, state="running", stage="render", fraction=0.5, doing="frames")
        if error:
            return node.update(job, state="failed", error=error)
        for name, data in {**RESULTS, **{f"frames/{name}": b"png" for name in frames}}.items():
            node.make(job, name, data)
        return node.update(job, state="done", fraction=1.0, parts=len(node.parts[job]), warnings=("the light changes",))

    node.on_submit = work


def submitted(node, capsys, *more):
    assert retac(node, "submit", "talk.mp4", *LINE, *more) == 0
    return capsys.readouterr().out.strip()


def names(folder="."):
    return sorted(str(path.relative_to(folder)) for path in Path(folder).rglob("*") if path.is_file())


def asked(node, kind):
    return [message for message in node.heard if isinstance(message, kind)]


# ---- submit


def test_submit_prints_the_number_and_nothing_else(node, capsys):
    job = submitted(node, capsys, "--priority", "7", "--quality", "final", "--seed", "3", "--consent", "letter 12")
    assert re.fullmatch("[0-9a-f]{32}", job)
    (order,) = [message.order for message in asked(node, Submit)]
    assert node.files[order.clip] == b"a clip"
    assert (order.text, order.quality, order.seed, order.consent) == ("Hello there.", "final", 3, "letter 12")
    assert (asked(node, Submit)[0].priority, asked(node, Submit)[0].label) == (7, "talk.mp4")


def test_waiting_leaves_what_dub_would(node, capsys):
    works(node, frames=("000001.png", "000002.png"))
    assert retac(node, "submit", "talk.mp4", *LINE, "-o", "out.mp4", "--frames", "png") == 0
    assert names() == ["out.motion.npz", "out.mp4", "out.report.html", "png/000001.png", "png/000002.png", "talk.mp4"]
    assert Path("out.mp4").read_bytes() == b"video"
    assert "warning: the light changes" in capsys.readouterr().out


def test_json_tells_the_number_how_it_goes_and_what_was_made(node, capsys):
    works(node)
    assert retac(node, "submit", "talk.mp4", *LINE, "--wait", "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in told if event["event"] != "progress"] == ["submitted", "warned", "done"]
    job = told[-1].pop("job")
    assert re.fullmatch("[0-9a-f]{32}", job)
    made = {"video": "talk_dub.mp4", "motion": "talk_dub.motion.npz", "report": "talk_dub.report.html"}
    assert {**told[-1], "seconds": 0} == {"event": "done", **made, "seconds": 0}


def test_a_failed_job_says_the_nodes_sentence(node, capsys):
    works(node, error="no face in frames 120-188 of the clip; trim them")
    assert retac(node, "submit", "talk.mp4", *LINE, "--wait") == 2
    assert capsys.readouterr().err == "retac: no face in frames 120-188 of the clip; trim them\n"
    assert names() == ["talk.mp4"]


def test_what_cannot_work_is_said_before_anything_is_sent(node, capsys):
    assert retac(node, "submit", "other.mp4", *LINE) == 2
    assert retac(node, "submit", "talk.mp4") == 2
    assert retac(node, "submit", "talk.mp4", *LINE, "--start", "3") == 2
    assert retac(node, "submit", "talk.mp4", *LINE, "-o", "out.txt") == 2
    assert retac(node, "submit", "talk.mp4", *LINE, "--priority", "1000") == 2
    Path("bad.npz").write_bytes(b"?")
    assert retac(node, "submit", "talk.mp4", *LINE, "--motion", "bad.npz") == 2
    assert asked(node, Submit) == []
    assert node.files == {}


# ---- jobs


def test_jobs_are_a_line_each_with_number_and_state(node, capsys):
    numbers = {submitted(node, capsys, "--label", label) for label in ("one", "two")}
    assert retac(node, "jobs") == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in lines} == numbers
    assert all(line.split()[1] == "queued" for line in lines)
    assert retac(node, "jobs", "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["job"] for event in told[:-1]} == numbers
    assert told[-1]["event"] == "done"


def test_a_job_is_known_by_its_first_digits(node, capsys):
    job = submitted(node, capsys)
    assert retac(node, "cancel", job[:6]) == 0
    assert f"{job}  cancelled" in capsys.readouterr().out
    assert retac(node, "resume", job) == 0
    assert asked(node, Resume)[0].job == job
    assert retac(node, "cancel", "zz") == 2
    assert retac(node, "cancel", "0" * 31) == 2


def test_another_ones_job_is_refused_in_the_nodes_words(node, capsys):
    assert retac(node, "cancel", "0" * 32) == 3
    assert capsys.readouterr().err == "retac: there is no such job\n"


def test_watch_ends_with_the_job(node, capsys):
    works(node)
    job = submitted(node, capsys)
    assert retac(node, "watch", job) == 0


def test_metrics_are_a_name_and_a_value_a_line(node, capsys):
    assert retac(node, "metrics") == 0
    assert capsys.readouterr().out == "retac_jobs 0\n"


def test_no_node_is_said(node, capsys, monkeypatch):
    monkeypatch.setattr(talk, "PATIENCE", 0.1)
    node.stop()
    assert retac(node, "jobs") == 2
    assert "check the address" in capsys.readouterr().err
    assert main(["jobs", "--node", "nowhere"]) == 2
    assert main(["jobs", "--node", node.address, "--key", "none.key"]) == 2
    node.start()


# ---- fetch


def test_fetch_gets_what_was_made_and_leaves_what_is_there(node, capsys):
    works(node)
    job = submitted(node, capsys)
    assert retac(node, "fetch", job, "-o", "got") == 0
    assert names("got") == ["motion.npz", "report.html", "video.mp4"]
    before = Path("got/video.mp4").stat().st_mtime_ns
    Path("got/report.html").write_bytes(b"damaged")
    assert retac(node, "fetch", job, "-o", "got") == 0
    assert Path("got/report.html").read_bytes() == b"page"
    assert Path("got/video.mp4").stat().st_mtime_ns == before


def test_fetch_of_some(node, capsys):
    works(node)
    job = submitted(node, capsys)
    assert retac(node, "fetch", job, "-o", "got", "--only", "preview/*") == 0
    assert names("got") == ["preview/000001.jpg"]


@pytest.mark.parametrize("name", ["../out.mp4", "/etc/x", "a/../../b", "a/b/c", ".hidden", "..", "a\\..\\b", "a\nb"])
def test_a_node_cannot_choose_where_a_file_goes(node, capsys, name):
    job = submitted(node, capsys)
    node.make(job, name, b"evil")
    node.update(job, state="done", parts=1)
    assert retac(node, "fetch", job, "-o", "got") == 3
    assert names() == ["talk.mp4"]


# ---- Ctrl-C, keys


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_a_watching_client_leaves_the_job(node, number):
    command = [sys.executable, "-m", "retac_node", "submit", "talk.mp4", *LINE, "--wait", "--node", node.address]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'shared'}", "PYTHONUNBUFFERED": "1"}
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    while "queued" not in (line := running.stdout.readline()):
        assert line
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    (job,) = node.jobs
    assert running.returncode == 130
    assert f"job {job} goes on at the node" in said
    assert node.jobs[job].state == "queued"


def test_keys_are_made_listed_and_removed(node, capsys):
    assert main(["keys", "new", "ann", "--role", "admin"]) == 0
    assert stat.S_IMODE(Path("ann.key").stat().st_mode) == 0o600
    assert main(["keys", "new", "ann", "-o", "again.key"]) == 2
    capsys.readouterr()
    assert main(["keys", "list"]) == 0
    assert capsys.readouterr().out.split() == ["ann", "admin"]
    assert main(["keys", "remove", "ann"]) == 0
    assert main(["keys", "remove", "ann"]) == 2


def test_the_nodes_settings_say_where_keys_are(node, tmp_path):
    Path("node.yaml").write_text(f"keys: {tmp_path / 'here'}\n")
    assert main(["keys", "new", "bob", "--config", "node.yaml"]) == 0
    assert names("here") == ["allowed/bob.key", "node.key"]
