"""Evaluation with fake stages: what is asked of them, what is written, and what the figures say of known videos."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from retac_shared.options import EncodeOptions, IngestOptions, JobSpec

from retac_node import evaluate, judge, recipe
from retac_node.data import Adapted, Clip, FaceTrack, Motion, Patches, Speech
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.ops.subjects import Face, box_around
from retac_node.stages import encode, ingest
from tests.clips import make_clip

SECONDS, FPS, SIDE = 4, 25, 64
FRAMES = SECONDS * FPS
POINTS = np.random.default_rng(0).uniform(16, 48, (478, 3)).astype(np.float32)


class FakeLandmarker:
    """Sees the same face in every picture that is not black."""

    def landmarks(self, rgb: np.ndarray, box: Any) -> Face:
        return Face(POINTS, np.zeros(52, np.float32), float(rgb.max() > 40), box_around(POINTS))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    still = rng.integers(50, 200, (SIDE, SIDE, 3), dtype=np.uint8)
    pictures = (np.roll(still, n // 3, axis=1) for n in range(FRAMES))
    voice = np.tile(np.r_[np.full(9600, 0.3), np.zeros(9600)], 10) * rng.normal(0, 1, 192000)
    return make_clip(tmp_path / "talk.mp4", pictures, sound=voice.astype(np.float32).clip(-1, 1))


class FakeNode:
    """Runs ingest and encode as they are, and pastes `matte` of black or of the plate in between."""

    def __init__(self, folder: Path, matte: int) -> None:
        self.folder, self.matte, self.specs, self.line = folder, matte, list[JobSpec](), np.zeros(0)

    def __call__(self, spec: JobSpec, sources: Mapping[str, Path], wanted: tuple[str, ...]) -> dict[str, Any]:
        self.specs.append(spec)
        ctx = Context(self.folder, "cpu", dict(sources))
        clip = ingest.run(ctx, spec.ingest)
        if wanted == ("ingest",):
            return {"ingest": clip}
        self.line, _ = soundfile.read(sources[spec.voice.audio])
        behind = np.arange(spec.motion.first_frame, FRAMES, dtype=np.int32)
        motion = Motion(
            FPS, np.zeros((len(behind), 1)), np.zeros((len(behind), 3)), np.zeros((len(behind), 3)), behind, ()
        )
        speech = Speech(self.line.astype(np.float32), 48000, (), (), len(behind) / FPS, float("nan"), synthetic=False)
        patches = (black(0, 30, self.matte), black(30, len(behind), self.matte))
        made = encode.run(ctx, spec.encode, clip, speech, motion, patches)
        track = tracked(clip)
        learnt = Adapted({}, "", {"held-out gain dB": float("nan")})
        return dict(zip(evaluate.WANTED, (track, learnt, motion, patches, made), strict=True))


def black(start: int, stop: int, matte: int) -> Patches:
    n, side = stop - start, 16
    corner = np.tile(np.array([[24, 56]], np.int32), (n, 1))  # the lower half hangs over the plate's edge
    return Patches(start, corner, np.zeros((n, 3, side, side), np.uint8), np.full((n, 1, side, side), matte, np.uint8))


def tracked(clip: Clip) -> FaceTrack:
    zeros, frames = np.zeros, len(clip.times)
    landmarks, confidence = np.tile(POINTS, (frames, 1, 1)), np.ones(frames, np.float32)
    landmarks[60], confidence[60] = np.nan, 0
    once, expression, pose, light = zeros(1), zeros((frames, 1)), zeros((frames, 3)), zeros((frames, 9, 3))
    crops = zeros((frames, 2, 3))
    return FaceTrack(
        once, once, expression, pose, pose, light, 1.0, crops, 16, landmarks, confidence, clip.width, clip.height
    )


@pytest.fixture(autouse=True)
def _fake_landmarker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "Landmarker", FakeLandmarker)


def measured(path: Path, tmp_path: Path, matte: int) -> judge.Figures:
    return evaluate.measure(path, 2.2, evaluate.EvaluateOptions(), FakeNode(tmp_path, matte)).figures


def test_the_stages_are_asked_for_the_held_out_frames_and_their_own_sound(path: Path, tmp_path: Path) -> None:
    node = FakeNode(tmp_path, 0)
    evaluate.measure(path, 2.2, evaluate.EvaluateOptions("final", train_minutes=3.0, seed=5, subject=1), node)
    spec = node.specs[-1]
    assert (spec.adapt.learn_seconds, spec.adapt.quality, spec.adapt.minutes, spec.adapt.seed) == (2.2, "final", 3.0, 5)
    assert (spec.motion.first_frame, spec.motion.slot, spec.motion.pose, spec.track.subject) == (55, False, "source", 1)
    assert spec.voice.slot_seconds == pytest.approx(1.8)
    assert len(node.line) == 86400
    own = ingest.run(Context(tmp_path, "cpu", {spec.ingest.sha256: path}), spec.ingest).audio
    np.testing.assert_allclose(node.line, own[105600:][:86400].clip(-1, 1), atol=1e-4)


def test_an_untouched_plate_scores_perfectly_but_for_the_codec(path: Path, tmp_path: Path) -> None:
    figures = measured(path, tmp_path, 0)
    assert (figures.frames, figures.frames_expected, figures.matte.plate_kept_outside) == (45, 45, True)
    assert (figures.matte.share_of_plate, figures.landmarks.mouth_distance_px) == (0, 0)
    assert (figures.faces_found, figures.landmarks.frames_compared) == (44, 44)  # frame 60 was bridged
    assert figures.mouth.psnr_db > 30
    assert figures.mouth_flicker_ratio == pytest.approx(1, abs=0.2)


def test_the_figures_of_the_matte_are_of_the_matte(path: Path, tmp_path: Path) -> None:
    figures = measured(path, tmp_path, 255)
    assert figures.matte.plate_kept_outside
    assert figures.matte.share_of_plate == pytest.approx(16 * 8 / SIDE**2)
    assert figures.matte.psnr_db < 10 < figures.face.psnr_db


def test_both_files_are_written_and_the_regions_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    made = evaluate.evaluate(path, 2.2, tmp_path / "out", evaluate.EvaluateOptions(), FakeNode(tmp_path / "work", 255))
    assert sorted(item.name for item in (tmp_path / "out").iterdir()) == ["metrics.json", "reenacted.mp4"]
    told = json.loads(made.metrics.read_text())
    assert (told["judged_from_frame"], told["frames"], told["learnt"]["held-out gain dB"]) == (55, 45, None)
    assert all(told[part]["region"] for part in ("face", "mouth", "matte", "landmarks"))
    assert any("face's figures flatter" in note for note in told["notes"])
    assert len(list(encode.media.picture_times(made.video))) == 45
    assert encode.media.probe(made.video).has_audio


def test_a_changed_pixel_outside_the_matte_is_found(tmp_path: Path) -> None:
    true = np.random.default_rng(0).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    matte = np.zeros((8, 8), bool)
    matte[2:4] = True
    for row, kept in ((3, True), (5, False)):
        made = true.copy()
        made[row, 1, 2] += 1
        encode.media.write_png(tmp_path / "0.png", made)
        assert judge.plate_kept(tmp_path / "0.png", true, matte) == kept


def test_the_same_sound_gives_the_same_file(path: Path, tmp_path: Path) -> None:
    sha = recipe.digest(path)
    clip = ingest.run(Context(tmp_path, "cpu", {sha: path}), IngestOptions(sha))
    for name in "ab":
        evaluate.write_held_out_sound(tmp_path / f"{name}.wav", clip, 55)
    assert recipe.digest(tmp_path / "a.wav") == recipe.digest(tmp_path / "b.wav")


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (0, "not inside the clip"),
        (-1, "not inside"),
        (4, "lasts 4.00 s"),
        (99, "within it"),
        (1.9, "2 s to learn"),
        (3.1, "1 s to judge"),
    ],
)
def test_a_split_that_leaves_too_little_is_refused(path: Path, tmp_path: Path, end: float, words: str) -> None:
    node = FakeNode(tmp_path, 0)
    with pytest.raises(BadInput, match=words):
        evaluate.evaluate(path, end, tmp_path / "out", evaluate.EvaluateOptions(), node)
    assert not (tmp_path / "out").exists()


def test_a_clip_that_falls_silent_is_refused(tmp_path: Path) -> None:
    pictures = [np.full((SIDE, SIDE, 3), n + 20, np.uint8) for n in range(FRAMES)]
    path = make_clip(tmp_path / "mute.mp4", pictures)
    with pytest.raises(BadInput, match=r"no sound after 2\.20 s"):
        evaluate.evaluate(path, 2.2, tmp_path / "out", evaluate.EvaluateOptions(), FakeNode(tmp_path, 0))


def test_encoding_asks_for_lossless_frames() -> None:
    clip = Clip("c", "c", Fraction(25), np.arange(100) / 25, 8, 8, np.zeros(0, np.float32), 48000)
    spec = evaluate.spec_of("c", "d", clip, 50, evaluate.EvaluateOptions())
    assert spec.encode == EncodeOptions(frames=True, crf=12)
