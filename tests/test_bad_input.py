"""What cannot be used is refused with exit 2 and one sentence, and nothing is written: through the real stages."""

import errno
import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile

from retac_node import assets, recipe
from retac_node.cli import main
from retac_node.engine import codec
from tests import fake_dub
from tests.clips import MATERIAL, make_clip, needs_material
from tests.fake_dub import small_clip

LINE = ["--text", "Hello there."]
needs_landmarks = pytest.mark.skipif(not assets.available("face_landmarker"), reason="no landmark model here")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """An empty current folder; no model file is asked for before a stage opens it."""
    monkeypatch.setattr(recipe, "weight_hash", lambda *_: "")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def refused(capsys, *arguments, command="dub", work="../work"):
    """Runs a command that must fail; gives its one sentence."""
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    assert main([command, *arguments, "--work", work, "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("retac: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before
    return said


def noise(seconds, rate=48000):
    """(N,) f32: bursts that pass for a recorded line."""
    sound = np.random.default_rng(0).uniform(-0.3, 0.3, round(seconds * rate)).astype(np.float32)
    sound[: rate // 4] = 0
    return sound


def line_of(seconds=1.0):
    soundfile.write("line.wav", noise(seconds), 48000)
    return ["--audio", "line.wav"]


# ---- the clip


def test_a_missing_file(capsys):
    assert "nowhere.mp4 does not exist" in refused(capsys, "nowhere.mp4", *LINE)


def test_a_folder(capsys):
    Path("clip.mp4").mkdir()
    assert "clip.mp4 is a folder" in refused(capsys, "clip.mp4", *LINE)


def test_a_text_file_by_the_name_of_a_video(capsys):
    Path("clip.mp4").write_text("this is no video\n" * 100)
    assert "clip.mp4" in refused(capsys, "clip.mp4", *LINE)


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_truncated_clip(capsys, share):
    whole = small_clip(Path("clip.mp4")).read_bytes()
    Path("clip.mp4").write_bytes(whole[: round(share * len(whole))])
    assert "clip.mp4" in refused(capsys, "clip.mp4", *LINE)


def test_a_clip_without_sound_and_no_other_voice(capsys):
    small_clip(Path("clip.mp4"), sound=False)
    assert "--voice" in refused(capsys, "clip.mp4", *LINE)


def test_a_silent_clip(capsys):
    pictures = (np.full((96, 160, 3), n, np.uint8) for n in range(75))
    make_clip(Path("clip.mp4"), pictures, sound=np.zeros(3 * 48000, np.float32))
    assert "0.0 s of audible speech" in refused(capsys, "clip.mp4", *LINE)


@needs_landmarks
def test_a_clip_without_a_face(capsys):
    small_clip(Path("clip.mp4"))
    assert "no face was found in clip.mp4" in refused(capsys, "clip.mp4", *line_of())


@needs_landmarks
@needs_material
def test_a_face_under_40_pixels(capsys):
    with av.open(str(MATERIAL / "clips" / "talk_512_25fps.mp4")) as file:
        portraits = [
            picture.to_ndarray(format="rgb24") for _, picture in zip(range(60), file.decode(video=0), strict=False)
        ]
    small = [
        cv2.copyMakeBorder(cv2.resize(p, (72, 72), interpolation=cv2.INTER_AREA), 12, 12, 12, 12, 1) for p in portraits
    ]
    make_clip(Path("clip.mp4"), small, options={"crf": "10"}, sound=noise(2.4))
    assert "40 are needed" in refused(capsys, "clip.mp4", *line_of())


def test_a_clip_of_one_second(capsys):
    small_clip(Path("clip.mp4"), seconds=1.0)
    assert "lasts 1.0 s" in refused(capsys, "clip.mp4", *LINE)


# ---- the line


def test_no_line_at_all(capsys):
    small_clip(Path("clip.mp4"))
    assert "--text" in refused(capsys, "clip.mp4")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "--text"),
        (" \n", "no words"),
        ("... !", "no words"),
        ("word " * 10_000, "10000 words"),
        ("你好，世界", "另"),
    ],
)
def test_a_text_that_cannot_be_spoken(capsys, text, words):
    small_clip(Path("clip.mp4"))
    said = refused(capsys, "clip.mp4", "--text", text)
    assert (words if words != "另" else "another script") in said
    assert len(said) < 200
    assert not Path("../work").exists()


@pytest.mark.parametrize("name", ["--audio", "--voice", "--motion"])
def test_a_missing_file_beside_the_clip(capsys, name):
    small_clip(Path("clip.mp4"))
    assert "nowhere.wav does not exist" in refused(capsys, "clip.mp4", *LINE, name, "nowhere.wav")


def test_a_recorded_line_without_sound(capsys):
    small_clip(Path("clip.mp4"))
    soundfile.write("line.wav", np.zeros(48000), 48000)
    assert "line.wav has no sound" in refused(capsys, "clip.mp4", "--audio", "line.wav")


def test_curves_that_are_none(capsys):
    small_clip(Path("clip.mp4"))
    Path("edited.npz").write_text("no numbers")
    assert "edited.npz" in refused(capsys, "clip.mp4", *LINE, "--motion", "edited.npz")


# ---- the range


@pytest.mark.parametrize(
    ("start", "end"), [("2", "1"), ("1", "1"), ("-1", "1"), ("1", "3.5"), ("9", "12"), ("1", "1.001")]
)
def test_a_range_that_is_none_names_the_clips_length(capsys, start, end):
    small_clip(Path("clip.mp4"))
    assert "clip.mp4 lasts 3.00 s" in refused(capsys, "clip.mp4", *LINE, "--start", start, "--end", end)


def test_half_a_range(capsys):
    small_clip(Path("clip.mp4"))
    assert "--end" in refused(capsys, "clip.mp4", *LINE, "--start", "1")


# ---- the output


def test_an_output_that_cannot_be_written_is_said_before_the_work(capsys):
    small_clip(Path("clip.mp4"))
    Path("full").mkdir()
    Path("full", "0.png").touch()
    for output, words in (
        ("nowhere/out.mp4", "does not exist"), ("full", "must end in"), ("out.avi", ".mp4 or .mov"),
        ("/proc/out.mp4", "cannot be written"), ("clip.mp4", "is read"),
    ):  # fmt: skip
        assert words in refused(capsys, "clip.mp4", *LINE, "-o", output)
    assert "not empty" in refused(capsys, "clip.mp4", *LINE, "--frames", "full")
    assert not Path("../work").exists()


def test_a_folder_by_the_name_of_the_output(capsys):
    small_clip(Path("clip.mp4"))
    Path("out.mp4").mkdir()
    assert "out.mp4 is a folder" in refused(capsys, "clip.mp4", *LINE, "-o", "out.mp4")
    assert "clip.mp4 is a file" in refused(capsys, "clip.mp4", "-o", "clip.mp4", command="solve")
    assert ".wav" in refused(capsys, "clip.mp4", *LINE, "-o", "line.mp3", command="voice")


def test_a_full_disk_of_the_cache(capsys, monkeypatch):
    def full(folder, value):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    small_clip(Path("clip.mp4"))
    monkeypatch.setattr(codec, "save", full)
    assert "disk of the cache folder" in refused(capsys, "clip.mp4", *LINE)


def test_a_full_disk_of_the_output(capsys, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    small_clip(Path("clip.mp4"))
    fake_dub.use(monkeypatch)
    monkeypatch.setattr("shutil.copyfile", full)
    assert "disk of" in refused(capsys, "clip.mp4", *LINE)


def test_a_cache_that_cannot_be_a_folder(capsys):
    small_clip(Path("clip.mp4"))
    assert "--work" in refused(capsys, "clip.mp4", *LINE, work="clip.mp4")


def test_a_voice_of_nothing(capsys):
    small_clip(Path("clip.mp4"), sound=False)
    assert "no sound" in refused(capsys, "clip.mp4", *LINE, "-o", "line.wav", command="voice")
