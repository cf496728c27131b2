"""The command line over fake stages: what it writes, says and leaves, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
from retac_shared.motion import load_motion, save_motion

from retac_node import assets, media, recipe
from retac_node.cli import main
from tests import fake_dub
from tests.clips import MATERIAL, needs_material, number_of
from tests.fake_dub import small_clip

ROOT = Path(__file__).parents[1]
LINE = ("--text", "Hello there.")
DUBBING = [name for name in fake_dub.TABLE if name != "mesh"]  # stages that a dub runs


@pytest.fixture
def clip(tmp_path, monkeypatch):
    """A clip in the current folder, with the fakes behind the command line."""
    fake_dub.use(monkeypatch)
    monkeypatch.setattr(recipe, "CHUNK", 8)
    monkeypatch.setenv("RETAC_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return small_clip(tmp_path / "here" / "talk.mp4")


def names(folder="."):
    return sorted(os.listdir(folder))


def pictures(path):
    with av.open(str(path)) as file:
        return [picture.to_ndarray(format="rgb24") for picture in file.decode(video=0)]


def events(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def table(capsys):
    """The last table of stages: stage -> tasks that ran."""
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {row[0]: int(row[2]) for row in rows if len(row) == 5 and row[0] in fake_dub.TABLE}


# ---- dub


def test_dub_leaves_the_video_its_curves_and_its_report_and_nothing_else(clip):
    assert main(["dub", "talk.mp4", *LINE]) == 0
    assert names() == ["talk.mp4", "talk_dub.motion.npz", "talk_dub.mp4", "talk_dub.report.html"]
    assert len(pictures("talk_dub.mp4")) == round(fake_dub.SPOKEN * 25)
    assert load_motion(Path("talk_dub.motion.npz")).names == fake_dub.UNITS
    page = Path("talk_dub.report.html").read_text()
    assert page.startswith("talk_dub.mp4")
    assert "adapt" in page
    assert "the light changes" in page


def test_a_slot_replaces_exactly_its_frames(clip):
    assert main(["dub", "talk.mp4", *LINE, "--start", "1", "--end", "1.6", "-o", "out.mp4", "--frames", "png"]) == 0
    shown = [cv2.imread(f"png/{name}")[..., ::-1] for name in names("png")]
    assert [number_of(picture) for picture in shown] == list(range(75))
    red = [bool((picture[80:, :16] == (255, 0, 0)).all()) for picture in shown]
    assert red == [25 <= frame < 40 for frame in range(75)]
    assert load_motion(Path("out.motion.npz")).source_frame.tolist() == list(range(25, 40))
    assert len(pictures("out.mp4")) == 75


def test_the_same_again_runs_nothing_and_a_late_option_runs_late_stages(clip, capsys):
    main(["dub", "talk.mp4", *LINE])
    first = table(capsys)
    main(["dub", "talk.mp4", *LINE])
    again = table(capsys)
    main(["dub", "talk.mp4", *LINE, "--consent", "letter 12"])
    late = table(capsys)
    assert list(first) == DUBBING
    assert first["render"] == 3
    assert set(again.values()) == {0}
    assert [name for name, ran in late.items() if ran] == ["encode", "report"]


def test_another_line_reuses_what_was_learnt_of_the_person(clip, capsys):
    main(["dub", "talk.mp4", *LINE])
    table(capsys)
    main(["dub", "talk.mp4", "--text", "Something else."])
    assert [name for name, ran in table(capsys).items() if not ran] == ["ingest", "track", "adapt"]


def test_edited_curves_replace_the_predicted_ones(clip):
    main(["dub", "talk.mp4", *LINE])
    motion = load_motion(Path("talk_dub.motion.npz"))
    motion.rotation[:] = 0.25
    save_motion(Path("edited.npz"), motion)
    assert main(["dub", "talk.mp4", *LINE, "--motion", "edited.npz"]) == 0
    assert (load_motion(Path("talk_dub.motion.npz")).rotation == 0.25).all()


def test_a_mov_is_a_quicktime_file_with_the_same_pictures_and_sound(clip):
    assert main(["dub", "talk.mp4", *LINE, "-o", "out.mov"]) == 0
    assert main(["dub", "talk.mp4", *LINE, "-o", "out.mp4"]) == 0
    assert Path("out.mov").read_bytes()[4:12] == b"ftypqt  "
    assert all(np.array_equal(a, b) for a, b in zip(pictures("out.mov"), pictures("out.mp4"), strict=True))
    assert np.array_equal(media.read_audio(Path("out.mov"))[0], media.read_audio(Path("out.mp4"))[0])
    with av.open("out.mov") as file:
        assert "Synthetic" in file.metadata["comment"]


def test_work_moves_the_cache(clip, tmp_path):
    assert main(["dub", "talk.mp4", *LINE, "--work", str(tmp_path / "scratch")]) == 0
    assert len(names(tmp_path / "scratch" / "done")) == len(DUBBING) + 3 * 2
    assert not (tmp_path / "home").exists()


def test_json_tells_every_event_and_last_what_was_made(clip, capsys):
    assert main(["dub", "talk.mp4", *LINE, "--json"]) == 0
    told = events(capsys)
    kinds = [event["event"] for event in told]
    assert kinds[0] == "planned"
    assert set(kinds) == {"planned", "started", "progress", "warned", "finished", "done"}
    done = {"event": "done", "video": "talk_dub.mp4", "motion": "talk_dub.motion.npz", "report": "talk_dub.report.html"}
    assert {**told[-1], "seconds": 0} == {**done, "seconds": 0}
    overall = [event["overall"] for event in told if event["event"] == "progress"]
    assert overall == sorted(overall)


def test_json_tells_a_failure(clip, capsys):
    assert main(["dub", "other.mp4", *LINE, "--json"]) == 2
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "event": "error", "message": "other.mp4 does not exist; check the path", "exit": 2
    }  # fmt: skip
    assert captured.err == "retac: other.mp4 does not exist; check the path\n"


def test_a_bug_is_not_dressed_up(clip, monkeypatch):
    fake_dub.use(monkeypatch, motion=lambda *inputs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["dub", "talk.mp4", *LINE])
    assert names() == ["talk.mp4"]


# ---- solve, voice, assets


def test_solve_writes_its_three_files_beside_what_is_there(clip):
    Path("solved").mkdir()
    Path("solved", "face.npz").write_text("of an earlier clip")
    Path("solved", "notes.txt").write_text("mine")
    assert main(["solve", "talk.mp4", "-o", "solved"]) == 0
    assert names("solved") == ["face.npz", "head.glb", "notes.txt", "overlay.mp4"]
    with np.load("solved/face.npz", allow_pickle=False) as face:
        assert face["coefficients"].shape == (75, 257)
        assert face["names"].shape == (64,)
        assert face["rotation"].shape == (75, 3)
    assert len(pictures("solved/overlay.mp4")) == 75


def test_voice_writes_the_line_and_its_times(clip):
    soundfile.write("ref.wav", np.zeros(16000), 16000)
    assert main(["voice", "ref.wav", *LINE, "-o", "line.wav", "--timing", "line.json"]) == 0
    assert soundfile.info("line.wav").frames == round(fake_dub.SPOKEN * fake_dub.RATE)
    times = json.loads(Path("line.json").read_text())
    assert times["words"][0] == {"label": "hello", "start": 0.1, "end": 0.4}
    assert times["phonemes"] == [{"label": "h", "start": 0.1, "end": 0.2}]


def test_assets_are_listed_and_a_missing_one_is_named(clip, capsys):
    assert main(["assets", "list"]) == 0
    assert all(asset.name in capsys.readouterr().out for asset in assets.table()[:1])
    assert main(["assets", "verify"]) == 2
    assert "face_landmarker" in capsys.readouterr().err
    assert main(["assets", "fetch", "nonsense"]) == 2


def test_a_missing_model_file_is_said_before_the_work(clip, monkeypatch, capsys):
    fake_dub.use(monkeypatch)
    table = {**fake_dub.TABLE, "track": fake_dub.dataclasses.replace(fake_dub.TABLE["track"], weights=("kokoro",))}
    monkeypatch.setattr(fake_dub.desk, "STAGES", table)
    assert main(["dub", "talk.mp4", *LINE]) == 2
    captured = capsys.readouterr()
    assert "retac assets fetch" in captured.err
    assert captured.out == ""


# ---- as a process


def fake_retac(tmp_path, *arguments, **more):
    environment = {**os.environ, "RETAC_HOME": str(tmp_path / "home"), **more}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fake_dub", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_quick_and_says_how_to_go_on(tmp_path, number):
    clip = small_clip(tmp_path / "talk.mp4")
    out = str(tmp_path / "out.mp4")
    running = fake_retac(tmp_path, "dub", str(clip), *LINE, "-o", out, "--device", "cpu", FAKE_ADAPT="20")
    while "learning" not in running.stdout.readline():
        assert running.poll() is None
    began = time.monotonic()
    running.send_signal(number)
    _, said = running.communicate(timeout=30)
    assert time.monotonic() - began < 3  # one second and the machine's load
    assert (running.returncode, said) == (130, "retac: stopped; run the same again to go on from here\n")
    assert names(tmp_path) == ["home", "talk.mp4"]


def test_a_closed_pipe_ends_it_without_a_word(tmp_path):
    clip = small_clip(tmp_path / "talk.mp4")
    running = fake_retac(
        tmp_path, "dub", str(clip), *LINE, "-o", str(tmp_path / "out.mp4"), "--device", "cpu", "--json"
    )
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(timeout=30) == 141


def test_help_comes_without_heavy_imports():
    script = "import sys; from retac_node.arguments import parser; import retac_node.cli; parser(); print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not {"numpy", "torch", "av", "cv2", "yaml", "msgspec"} & set(run.stdout.split())


def test_help_shows_every_command_and_two_examples(capsys):
    with pytest.raises(SystemExit) as end:
        main([])
    said = capsys.readouterr().out
    assert end.value.code == 0
    assert all(f"    {name} " in said for name in ("dub", "solve", "voice", "evaluate", "assets"))
    assert said.count("  retac dub ") == 2


# ---- the whole, on real footage


@pytest.mark.slow
@needs_material
def test_a_real_clip_says_a_new_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    clip = MATERIAL / "clips" / "talk_512_25fps.mp4"
    work = ["--work", str(tmp_path / "work"), "--train-minutes", "0.2"]
    assert (
        main(["dub", str(clip), "--text", "We open on Friday.", "--start", "2", "--end", "4", *work, "-o", "o.mp4"])
        == 0
    )
    assert len(pictures("o.mp4")) == 200
    assert names() == ["o.motion.npz", "o.mp4", "o.report.html", "work"]
