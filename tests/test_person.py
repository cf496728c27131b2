"""From a tracked clip to finished patches, on the embedded sample: every stage after the track, for real but tiny."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from retac_shared.motion import save_motion
from retac_shared.options import (
    AdaptOptions,
    CompositeOptions,
    IngestOptions,
    MotionOptions,
    RefineOptions,
    RenderOptions,
    TrackOptions,
)

from retac_node import assets, media
from retac_node.data import Adapted, Clip, FaceTrack, Frames, Motion, Speech
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models.apprentice import checkpoint, train
from retac_node.models.lessons import Lessons
from retac_node.models.refiner import READ, Refiner
from retac_node.stages import adapt, composite, ingest, motion, refine, render, track

FRAMES = 9  # output frames that are drawn


@dataclasses.dataclass(frozen=True)
class Person:
    ctx: Context
    clip: Clip
    track: FaceTrack
    adapted: Adapted


@pytest.fixture(scope="module")
def person(sample: Any, tmp_path_factory: pytest.TempPathFactory) -> Person:
    if not assets.available("face_landmarker"):
        pytest.skip("the landmarker's model file is not here; run: retac assets fetch")
    digest = hashlib.sha256(Path(sample.path).read_bytes()).hexdigest()
    ctx = Context(tmp_path_factory.mktemp("adapted"), "cpu", {digest: Path(sample.path)})
    clip = ingest.run(ctx, IngestOptions(digest))
    found = track.run(ctx, TrackOptions(), clip)
    learnt = adapt.run(ctx, AdaptOptions(train_minutes=0.02), clip, found)
    # A few steps may not help on the held-out slice, and correct by less than a grey level; here they shall be seen.
    learnt = dataclasses.replace(learnt, notes=learnt.notes | {"refiner strength": 1.0})
    return Person(ctx, clip, found, learnt)


@pytest.fixture(scope="module")
def spoken(person: Person) -> Motion:
    return motion.run(person.ctx, MotionOptions(), person.clip, line(FRAMES / 25), person.track, person.adapted)


def line(seconds: float) -> Speech:
    sound = np.random.default_rng(0).normal(0, 0.1, round(16000 * seconds)).astype(np.float32)
    return Speech(sound, 16000, (), (), seconds, float("nan"))


def drawn(person: Person, spoken: Motion, *ranges: tuple[int, int]) -> list[Frames]:
    return [
        render.run(person.ctx, RenderOptions(), span, person.clip, person.track, person.adapted, spoken)
        for span in ranges
    ]


def test_the_track_gives_the_257_numbers_of_each_frame(person: Person) -> None:
    assert person.track.coefficients().shape == (len(person.clip.times), 257)
    assert np.isfinite(person.track.coefficients()).all()


def test_what_was_learnt_is_all_listed_and_the_scratch_is_gone(person: Person) -> None:
    assert set(person.adapted.files) == {
        "manner.npz", "memory.npy", "memory.npz", "refiner.safetensors", "texture.npz",
    }  # fmt: skip
    for name, digest in person.adapted.files.items():
        assert hashlib.sha256((Path(person.adapted.folder) / name).read_bytes()).hexdigest() == digest


def test_eyes_and_head_are_the_plates_own(person: Person, spoken: Motion) -> None:
    blink = spoken.names.index("eyeBlinkLeft")
    np.testing.assert_array_equal(spoken.expression[:, blink], person.track.expression[spoken.source_frame, blink])
    np.testing.assert_array_equal(spoken.rotation, person.track.rotation[spoken.source_frame])


def test_a_predicted_head_moves_and_stays_near_the_persons_own_poses(person: Person) -> None:
    options = MotionOptions(pose="predicted")
    made = motion.run(person.ctx, options, person.clip, line(2.0), person.track, person.adapted)
    own = person.track.rotation
    assert made.rotation.std(0).max() > 0
    assert (np.abs(made.rotation - own.mean(0)) <= 2.6 * own.std(0) + 1e-6).all()


def test_a_slot_begins_and_ends_as_the_plate_does(person: Person) -> None:
    made = motion.run(
        person.ctx, MotionOptions(first_frame=10, slot=True), person.clip, line(1.0), person.track, person.adapted
    )
    np.testing.assert_array_equal(made.source_frame, np.arange(10, 35))
    own = person.track.expression[10:35]
    assert np.abs(made.expression[[0, -1]] - own[[0, -1]]).max() < 0.1


def test_output_longer_than_the_clip_goes_back_and_forth() -> None:
    np.testing.assert_array_equal(motion.walk(2, 8, 4), [2, 3, 2, 1, 0, 1, 2, 3])


def test_an_edited_motion_replaces_the_prediction(person: Person, spoken: Motion, tmp_path: Path) -> None:
    edited = dataclasses.replace(spoken, rotation=spoken.rotation + np.float32(0.1))
    save_motion(tmp_path / "edited.npz", edited)
    ctx = dataclasses.replace(person.ctx, sources={"edit": tmp_path / "edited.npz"})
    options = MotionOptions(edited="edit")
    made = motion.run(ctx, options, person.clip, line(FRAMES / 25), person.track, person.adapted)
    np.testing.assert_array_equal(made.rotation, edited.rotation)
    with pytest.raises(BadInput, match="this line has 25"):
        motion.run(ctx, options, person.clip, line(1.0), person.track, person.adapted)


def test_chunks_equal_the_whole(person: Person, spoken: Motion) -> None:
    whole = drawn(person, spoken, (0, FRAMES))[0]
    parts = drawn(person, spoken, (0, 4), (4, FRAMES))
    np.testing.assert_array_equal(np.concatenate([part.rgb for part in parts]), whole.rgb)
    inputs = (person.clip, person.track, person.adapted, spoken)
    refined = refine.run(person.ctx, RefineOptions(), (0, FRAMES), *inputs, whole)
    first, second = (
        refine.run(person.ctx, RefineOptions(), span, *inputs, part)
        for span, part in zip(((0, 4), (4, FRAMES)), parts, strict=True)
    )
    assert (refined.rgb != whole.rgb).any(), "the refiner did nothing"
    np.testing.assert_array_equal(np.concatenate([first.rgb, second.rgb]), refined.rgb)


def test_a_motion_equal_to_the_plates_leaves_all_but_the_mouth(person: Person) -> None:
    frames = np.arange(FRAMES, dtype=np.int32)
    own = person.track
    still = Motion(25.0, own.expression[frames], own.rotation[frames], own.translation[frames], frames, ())
    made = drawn(person, still, (0, FRAMES))[0]
    assert (made.mask[:, :, : own.crop_size // 3] == 0).all()
    plates = list(media.frames(person.ctx.source(person.clip.sha256), person.clip, 0, FRAMES))
    patches = composite.run(person.ctx, CompositeOptions(), (0, FRAMES), person.clip, own, person.adapted, still, made)
    x, y = patches.corner[0]
    inside = np.s_[max(0, y) : y + own.crop_size, max(0, x) : x + own.crop_size]
    plate = plates[0][inside]
    top, left = max(0, -y), max(0, -x)
    shown = patches.rgb[0][:, top : top + plate.shape[0], left : left + plate.shape[1]].transpose(1, 2, 0)
    matte = patches.matte[0, 0, top : top + plate.shape[0], left : left + plate.shape[1]]
    np.testing.assert_array_equal(shown[matte == 0], plate[matte == 0])
    assert (matte > 0).any()


def test_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    picture = lambda *shape: random.integers(0, 255, shape).astype(np.uint8)  # noqa: E731
    weight = np.full((6, READ), 1 / READ, np.float32)
    lessons = Lessons(
        picture(6, 3, 32, 32), picture(6, 3, 32, 32), picture(6, 1, 32, 32), picture(6, 3, 32, 32),
        np.zeros((6, READ), np.int32), weight, picture(3, 3, 32, 32),
    )  # fmt: skip
    torch.manual_seed(0)
    net = Refiner()
    checkpoint(tmp_path, net, torch.optim.AdamW(net.parameters()), 3, 1.0)
    steps, seconds = train(net, lessons, np.arange(6), 4 / 150, 0, tmp_path, lambda *at: None, "cpu")
    assert steps == 4
    assert seconds > 1.0


def test_an_edited_pose_beyond_reach_is_held_and_told_once(person: Person, spoken: Motion, tmp_path: Path) -> None:
    save_motion(tmp_path / "edited.npz", dataclasses.replace(spoken, rotation=spoken.rotation + np.float32(0.6)))
    told: list[str] = []
    ctx = dataclasses.replace(person.ctx, sources={"edit": tmp_path / "edited.npz"}, warn=told.append)
    made = motion.run(ctx, MotionOptions(edited="edit"), person.clip, line(FRAMES / 25), person.track, person.adapted)
    furthest = person.track.rotation.max(0) + np.radians(12)
    assert (made.rotation <= furthest + 1e-5).all()
    assert len(told) == 1
    assert "too far in 9 frames" in told[0]


def test_chunks_of_a_turned_head_equal_the_whole(person: Person, spoken: Motion) -> None:
    lean = np.linspace(0, 0.15, FRAMES, dtype=np.float32)[:, None] * np.array([[0, 1, 0.5]], np.float32)
    turned = dataclasses.replace(spoken, rotation=spoken.rotation + lean)
    whole = drawn(person, turned, (0, FRAMES))[0]
    parts = drawn(person, turned, (0, 4), (4, FRAMES))
    np.testing.assert_array_equal(np.concatenate([part.rgb for part in parts]), whole.rgb)
    assert whole.rgb.shape[-1] > person.track.crop_size
    options = (CompositeOptions(), (0, FRAMES), person.clip, person.track, person.adapted, turned, whole)
    assert composite.run(person.ctx, *options).rgb.shape == whole.rgb.shape
