"""Batches over fake stages: what is checked before the start, what runs once, what a failure stops, what a resume keeps."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from threading import Event as Flag
from threading import Lock
from types import SimpleNamespace

import pytest

from retac_node.desk import Desk
from retac_node.engine.make import LOCAL
from retac_node.errors import BadInput, RetacError
from retac_node.farm import batch, checks, drive, ledger, record, shots, telling
from retac_node.pipe import Ended, Working
from tests import fake_batch
from tests.fake_node import BLOCK

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two clips, and an installation of its own."""
    monkeypatch.setenv("RETAC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "voices").touch()
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(fake_batch.CLIP + name.encode())
    return tmp_path


def write(folder, *rows):
    file = folder / "shots.yaml"
    file.write_text("\n".join(f"- {row}" for row in rows))
    return file


def go(folder, *rows, **asked):
    """Runs a batch; gives what it told and what the JSON beside its page says."""
    file, told = write(folder, *rows), []
    desk = Desk(None, "cpu", told.append, Flag(), executor=asked.pop("executor", LOCAL))
    plan = batch.Plan(file, file.with_suffix(".batch.html"), {}, **asked)
    try:
        batch.batch(plan, desk, fake_batch.TABLE, "tests.fake_batch:CRAFT")
    except RetacError as error:
        told.append(error)
    written = folder / "shots.batch.json"
    return told, json.loads(written.read_text()) if written.exists() else None


def faults(told):
    return {event.row: event.faults for event in told if isinstance(event, telling.Faulty)}


def voiced(text):
    return sum(said == text for _, said in fake_batch.voices())


def calls(folder):
    return len((folder / "home" / "calls").read_text().split())


# ---- checks


def test_every_fault_of_every_row_is_told_before_anything_starts(folder):
    (folder / "b.mp4").unlink()
    rows = (
        "{clip: a.mp4, text: One., output: one.mp4}",
        "{clip: b.mp4, range: 2-1, output: two.avi}",
        "{clip: a.mp4, text: Three., output: one.mov, lens: 2}",
        "{clip: a.mp4, text: Four., start: 0, end: 1.5, output: sub/four.mp4}",
        "{clip: a.mp4, text: Five., output: a.mp4}",
        "{clip: a.mp4, text: Six., output: /nowhere/to/six.mp4}",
        "{clip: a.mp4, text: Seven., audio: no.wav, voice: none.wav, output: seven.mp4}",
    )
    told, _ = go(folder, *rows, check=True)
    found = faults(told)
    assert {row: len(said) for row, said in found.items()} == {2: 3, 3: 2, 4: 1, 5: 1, 6: 1, 7: 3}
    assert "column lens is 2 mm" in " ".join(found[3])
    assert "row 1" in " ".join(found[3])
    assert "0.96 s" in found[4][0]
    assert told[-2:][0] == telling.Validated(7, 6, 0)
    assert isinstance(told[-1], BadInput)
    assert sorted(path.name for path in folder.iterdir()) == ["a.mp4", "home", "shots.yaml"]


def test_a_clip_is_read_once_for_all_rows_on_it(folder):
    rows = [f"{{clip: a.mp4, text: Line {n}., range: 0-0.5}}" for n in range(50)]
    told, _ = go(folder, *rows, check=True)
    assert told == [telling.Validated(50, 0, 0)]
    assert calls(folder) == 1


def test_strict_starts_nothing_and_consent_can_be_required(folder):
    rows = "{clip: a.mp4, text: One., consent: letter 1}", "{clip: a.mp4, text: Two.}"
    told, written = go(folder, *rows, strict=True, require_consent=True)
    assert list(faults(told)) == [2]
    assert "consent" in faults(told)[2][0]
    assert (fake_batch.voices(), written) == ([], None)


# ---- driving


def test_what_cannot_run_and_what_fails_stop_no_other_shot(folder):
    rows = (
        "{clip: a.mp4, text: One., output: out/one.mp4}",
        "{clip: no.mp4, text: Two., output: out/two.mp4}",
        "{clip: a.mp4, text: fail, output: out/three.mp4}",
        "{clip: b.mp4, text: Four., output: out/four.mov.mp4}",
    )
    told, written = go(folder, *rows)
    assert [shot["state"] for shot in written["shots"]] == ["done", "failed", "failed", "done"]
    assert "does not exist" in written["shots"][1]["error"]
    assert (written["shots"][2]["error"], voiced("fail")) == ("the line cannot be spoken; choose another", 1)
    assert told.index(telling.Validated(4, 1, 0)) < min(
        n for n, event in enumerate(told) if isinstance(event, telling.Begun)
    )
    assert (str(told[-1]), told[-1].exit_code) == (f"2 of 4 shots failed; {folder}/shots.batch.html says why", 1)
    made = [
        f"{stem}.{kind}" for stem in ("four.mov", "one") for kind in ("motion.npz", "mp4", "report.html", "shot.json")
    ]
    assert sorted(os.listdir(folder / "out")) == made
    assert written["shots"][0]["figures"] == {"voice similarity": 0.75, "seconds": None}


def test_the_page_needs_nothing_but_itself_and_links_to_what_is_there(folder):
    go(folder, "{clip: a.mp4, text: 'One & <b>', output: o'ne.mp4}", "{clip: b.mp4, text: fail, note: '<i>'}")
    page = (folder / "shots.batch.html").read_text()
    links = re.findall(r'(?:src|href)="([^"]*)"', page)
    inner = [link for link in links if link.startswith("#")]
    assert all(f'id="{link[1:]}"' in page for link in inner)
    files = {link for link in links if not link.startswith(("#", "data:image/jpeg;base64,"))}
    assert files == {"o%27ne.mp4", "o%27ne.report.html"}
    assert (folder / "o'ne.report.html").exists()
    assert "One &amp; &lt;b&gt;" in page
    assert not re.search(r"& <b>|<i>|@import|url\(|//", page.replace("&lt;i&gt;", ""))


def test_ten_lines_on_one_clip_cost_one_solve_and_one_training(folder):
    rows = [f"{{clip: a.mp4, text: Line {n}.}}" for n in range(10)]
    _, written = go(folder, *rows, "{clip: b.mp4, text: Another.}", workers=2)
    ran = written["totals"]["ran"]
    assert (ran["track"], ran["adapt"], ran["voice"], ran["encode"]) == (2, 2, 11, 11)
    assert written["totals"]["done"] == 11


class Row:
    """Workers that do as they are told, without processes."""

    def __init__(self, count):
        self.workers = {n: SimpleNamespace(number=n, device="cpu", job="", scratch=Path(str(n))) for n in range(count)}

    def start(self, worker, message):
        worker.job = message.job

    def stop(self, worker):
        worker.scratch = Path(worker.scratch.name + "1")  # another process takes its place


def driven(folder, *rows):
    """A batch of such workers."""
    file, desk = write(folder, *rows), Desk(None, "cpu", print, Flag())
    pool = Row(3)
    checked = checks.check(shots.read(file, {}), folder, desk, fake_batch.TABLE, False)
    return drive.Batch(ledger.entries(checked), pool, lambda event: None), pool.workers


def test_lines_on_one_clip_wait_until_the_first_has_learnt_the_person(folder):
    rows = [f"{{clip: a.mp4, text: Line {n}.}}" for n in range(3)]
    run, workers = driven(folder, *rows, "{clip: b.mp4, text: Another.}", "{clip: a.mp4, text: Other., subject: 1}")
    for worker in workers.values():
        run.employ(worker)
    assert [worker.job for worker in workers.values()] == ["1", "4", "5"]
    run.hear(workers[1], Ended("done"))
    run.employ(workers[1])
    assert workers[1].job == ""
    run.hear(workers[0], Working("motion"))
    run.employ(workers[1])
    assert workers[1].job == "2"


def test_who_waits_for_a_shot_that_fails_learns_the_person_instead(folder):
    run, workers = driven(
        folder, "{clip: a.mp4, text: One.}", "{clip: a.mp4, text: Two.}", "{clip: a.mp4, text: Three.}"
    )
    run.employ(workers[0])
    run.hear(workers[0], Ended("refused", "no face"))
    for worker in workers.values():
        run.employ(worker)
    assert [worker.job for worker in workers.values()] == ["2", "", ""]


def test_a_mistake_is_tried_again_on_another_worker_and_given_up_after_three(folder):
    texts = ("shaky", "broken", "dies", "Fine.")
    told, written = go(folder, *(f"{{clip: a.mp4, text: {text}}}" for text in texts))
    assert [shot["state"] for shot in written["shots"]] == ["done", "failed", "done", "done"]
    workers = [[pid for pid, text in fake_batch.voices() if text == wanted] for wanted in texts]
    assert [len(tried) for tried in workers] == [2, 3, 2, 1]
    assert all(len(set(tried)) == len(tried) for tried in workers)
    assert "KeyError" in written["shots"][1]["error"]
    assert "killed (signal 9)" in written["shots"][2]["failures"][0]
    assert sum(isinstance(event, telling.Retried) for event in told) == 4


def test_where_others_make_the_tasks_several_shots_wait_in_threads(folder):
    class Elsewhere:
        """Makes tasks here, one at a time."""

        width, lock = 2, Lock()

        def make(self, *asked):
            with self.lock:
                return LOCAL.make(*asked)

    texts = ("One.", "fail", "shaky", "Two.", "Three.")
    _, written = go(folder, *(f"{{clip: a.mp4, text: {text}}}" for text in texts), executor=Elsewhere())
    assert [shot["state"] for shot in written["shots"]] == ["done", "failed", "failed", "done", "done"]
    assert "KeyError" in written["shots"][2]["error"]
    assert written["totals"]["ran"]["adapt"] == 1
    assert {pid for pid, _ in fake_batch.voices()} == {str(os.getpid())}


# ---- resume


def test_resume_keeps_what_is_finished_as_asked_and_remakes_the_rest(folder):
    rows = [
        "{clip: a.mp4, text: One.}",
        "{clip: a.mp4, text: Two.}",
        "{clip: a.mp4, text: Three.}",
        "{clip: b.mp4, text: Four.}",
    ]
    go(folder, *rows)
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("a_001.*")}
    record.place(folder / "a_003.mp4").unlink()
    (folder / ".a_003.mp4-k1ll3d__").mkdir()  # as a killed worker leaves it
    (folder / "b_004.mp4").write_bytes(b"half of it")
    rows[1] = "{clip: a.mp4, text: Two., consent: letter 2}"
    told, written = go(folder, *rows, resume=True)
    assert [shot["kept"] for shot in written["shots"]] == [True, False, False, False]
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("a_001.*")} == before
    assert (folder / "b_004.mp4").read_bytes() != b"half of it"
    assert not list(folder.glob(".a_003*"))
    assert (voiced("Two."), written["totals"]["done"]) == (1, 4)
    assert telling.Validated(4, 0, 1) in told


def test_frames_of_an_earlier_making_are_replaced_and_those_of_others_are_not(folder):
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    told, _ = go(folder, "{clip: a.mp4, text: One., frames: mine}")
    assert "not empty" in faults(told)[1][0]
    assert os.listdir(folder / "mine") == ["notes.txt"]


def program(folder, *more):
    """Starts a batch as a process."""
    file = str(folder / "shots.yaml")
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fake_batch", "farm", "batch", file, "--device", "cpu", "--json", *more],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for(running, event, **values):
    """Reads what a batch tells until it tells this."""
    for line in running.stdout:
        told = json.loads(line)
        if told["event"] == event and all(told[name] == value for name, value in values.items()):
            return
    raise AssertionError(running.stderr.read())


def test_a_batch_that_was_killed_goes_on_and_leaves_nothing_half_made(folder):
    texts = ("One.", "Two.", BLOCK, "Four.")
    write(folder, *(f"{{clip: a.mp4, text: {text}, output: out/{n}.mp4}}" for n, text in enumerate(texts)))
    with program(folder) as running:
        wait_for(running, "stepped", row=3, label=BLOCK)
        running.kill()
    (folder / "home" / "go").touch()
    with program(folder, "--resume") as running:
        wait_for(running, "validated", finished=2)
        wait_for(running, "done", page=str(folder / "shots.batch.html"))
    assert len(os.listdir(folder / "out")) == 4 * 4
    assert [voiced(text) for text in texts] == [1, 1, 2, 1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_it_and_says_how_to_go_on(folder, number):
    write(folder, f"{{clip: a.mp4, text: {BLOCK}}}", "{clip: a.mp4, text: Two.}")
    with program(folder) as running:
        wait_for(running, "stepped", row=1, label=BLOCK)
        running.send_signal(number)
        said = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert f"stopped; go on with: retac farm batch {folder}/shots.yaml --resume" in said
    states = [shot["state"] for shot in json.loads((folder / "shots.batch.json").read_text())["shots"]]
    assert states == ["waiting", "waiting"]
    assert sorted(path.name for path in folder.glob("*.mp4")) == ["a.mp4", "b.mp4"]
