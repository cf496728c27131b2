"""Strips land on the frames they belong to: at four rates, at frame 1001, trimmed on both sides; sound to the sample."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.blender import made

RATES = (24 / 1.001, 25.0, 30 / 1.001, 30.0)
NEW = 128  # what the finished frames have added to their numbers


@pytest.fixture
def scene(addon: Any) -> ModuleType:
    return addon.module("scene")


def shot_on(scene: ModuleType, addon: Any, folder: Path, fps: float) -> tuple[Any, Any]:
    """Imports a clip at frame 1001, trims six frames off its start and four off its end, solves it."""
    import bpy

    into, compat = bpy.context.scene, addon.module("compat")
    plate = scene.add_clip(into, made.numbered_movie(compat, folder / "talk.mp4", fps), 1001)
    scene.match_fps(into, plate.fps)
    strip = compat.strips(into)[plate.strip]
    compat.trim(strip, 1007, 1027)
    plate = scene.plate_named(into, plate.strip)
    return into, scene.build_shot(into, plate, scene.read_shot(*made.head_files(folder / "head", fps=fps)))


@pytest.mark.parametrize("fps", RATES)
def test_new_frames_stand_on_the_frames_they_replace(fps: float, addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, fps)
    assert (shot.origin, shot.frames) == (1001, made.FRAMES)
    movie = made.numbered_movie(addon.module("compat"), tmp_path / "video.mp4", fps, NEW)
    scene.place_result(into, shot, made.KEY, movie, None, shot.origin, replaced=(1010, 1020))
    expected = {1007: 6, 1009: 8, 1010: 9 + NEW, 1015: 14 + NEW, 1019: 18 + NEW, 1020: 19, 1026: 25}
    assert {frame: made.shown(into, frame, tmp_path) for frame in expected} == expected


def test_pictures_replace_the_whole_plate_where_it_is_muted(addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, 25.0)
    folder, compat = made.numbered_frames(tmp_path / "frames", NEW), addon.module("compat")
    placed = scene.place_result(
        into, shot, made.KEY, folder, None, shot.origin, replaced=(1010, 1020), mute_original=True
    )
    strips = compat.strips(into)
    assert compat.strip_range(strips[placed.picture]) == (1007, 1027) == compat.strip_range(strips[shot.plate_strip])
    assert strips[shot.plate_strip].mute
    assert [made.shown(into, frame, tmp_path) for frame in (1007, 1012, 1026)] == [6 + NEW, 11 + NEW, 25 + NEW]


def test_a_line_alone_starts_on_its_frame(addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, 25.0)
    movie = made.numbered_movie(addon.module("compat"), tmp_path / "video.mp4", 25.0, NEW, frames=8)
    scene.place_result(into, shot, made.KEY, movie, None, 1012)
    assert [made.shown(into, frame, tmp_path) for frame in (1011, 1012, 1019, 1020)] == [10, NEW, 7 + NEW, 19]


@pytest.mark.parametrize("fps", RATES)
def test_sound_starts_with_its_frame(fps: float, addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    import bpy

    into, shot = shot_on(scene, addon, tmp_path, fps)
    rate, click = 48000, np.zeros(48000)
    click[round(14 / fps * 48000) :][:40] = 0.9  # frame 14 of the clip
    made.write_sound(tmp_path / "click.wav", click, rate)
    frames = made.numbered_frames(tmp_path / "frames", NEW)
    placed = scene.place_result(into, shot, made.KEY, frames, tmp_path / "click.wav", 1001, replaced=(1010, 1020))
    if not placed.sound:
        pytest.skip("this Blender has no audio system")
    assert addon.module("compat").strip_range(addon.module("compat").strips(into)[placed.sound]) == (1010, 1020)
    into.frame_start, into.frame_end = 1001, 1030
    bpy.ops.sound.mixdown(filepath=str(tmp_path / "mix.wav"), container="WAV", codec="PCM")
    samples, mixed_at = made.read_sound(tmp_path / "mix.wav")
    assert abs(int((np.abs(samples) > 3000).argmax()) / mixed_at - 14 / fps) < 1e-4


def test_the_matte_lets_the_plate_through(addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, 25.0)
    mattes = tmp_path / "mattes"
    mattes.mkdir()
    half = np.zeros((made.SIZE[1], made.SIZE[0], 3))
    half[:, made.SIZE[0] // 2 :] = 1  # the upper four bits are new
    for n in range(made.FRAMES):
        made.write_picture(mattes / f"{n:06d}.png", half)
    frames = made.numbered_frames(tmp_path / "frames", NEW)
    scene.place_result(into, shot, made.KEY, frames, None, 1001, matte=mattes, replaced=(1010, 1020))
    assert made.shown(into, 1015, tmp_path) == 14 + NEW
    compat = addon.module("compat")
    compat.strips(into)[shot.plate_strip].mute = True
    assert made.shown(into, 1015, tmp_path) == NEW  # nothing behind the lower bits


def test_a_result_placed_again_replaces_its_strips(addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, 25.0)
    frames, compat = made.numbered_frames(tmp_path / "frames", NEW), addon.module("compat")
    for _ in range(2):
        scene.place_result(into, shot, made.KEY, frames, None, 1001, replaced=(1010, 1020))
    assert sorted(strip.type for strip in compat.strips(into)) == ["IMAGE", "MOVIE"]
    scene.remove_result(into, made.KEY)
    assert [strip.name for strip in compat.strips(into)] == [shot.plate_strip]


def test_previews_appear_one_by_one_and_go_with_the_result(addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, 25.0)
    motion, timing, _, _ = made.line_files(tmp_path / "line")
    scene.add_line(into, shot, made.KEY, motion, timing, None, 1010)
    shot, folder = scene.shot_of(shot.head), tmp_path / "preview"
    folder.mkdir()
    before = made.shown(into, 1012, tmp_path)
    made.write_picture(folder / "000005.jpg", made.bars(5 + NEW))
    scene.show_preview_frame(into, shot, made.KEY, 5, folder / "000005.jpg")
    assert (made.shown(into, 1012, tmp_path), made.shown(into, 1015, tmp_path)) == (before, 5 + NEW)
    made.write_picture(folder / "000002.jpg", made.bars(2 + NEW))
    scene.show_preview_frame(into, shot, made.KEY, 2, folder / "000002.jpg")
    assert made.shown(into, 1012, tmp_path) == 2 + NEW
    scene.place_result(
        into, shot, made.KEY, made.numbered_frames(tmp_path / "frames"), None, 1001, replaced=(1010, 1022)
    )
    assert not [strip for strip in addon.module("compat").strips(into) if "preview" in strip.name]


@pytest.mark.parametrize("by", [40, -7])
def test_everything_follows_a_plate_that_was_moved(by: int, addon: Any, scene: ModuleType, tmp_path: Path) -> None:
    into, shot = shot_on(scene, addon, tmp_path, 25.0)
    motion, timing, wav, asked = made.line_files(tmp_path / "line")
    scene.add_line(into, shot, made.KEY, motion, timing, wav, 1010)
    shot = scene.shot_of(shot.head)
    frames = made.numbered_frames(tmp_path / "frames", NEW)
    scene.place_result(into, shot, made.KEY, frames, None, 1001, replaced=(1010, 1022))
    marks = [marker.frame for marker in into.timeline_markers]
    into.frame_set(1012)
    pose = [shot.head.location.x]
    into.frame_set(1025)
    pose.append(shot.head.location.x)
    compat = addon.module("compat")
    compat.move(compat.strips(into)[shot.plate_strip], by)
    assert scene.moved(into, shot) == by
    shot = scene.follow_plate(into, shot)
    assert (scene.moved(into, shot), shot.origin, shot.lines[0].first) == (0, 1001 + by, 1010 + by)
    assert [marker.frame for marker in into.timeline_markers] == [frame + by for frame in marks]
    assert [made.shown(into, frame + by, tmp_path) for frame in (1009, 1010, 1021)] == [8, 9 + NEW, 20 + NEW]
    now = []
    for frame in (1012, 1025):
        into.frame_set(frame + by)
        now.append(shot.head.location.x)
    assert now == pytest.approx(pose)
    read = scene.read_motion(into, shot, made.KEY)
    assert np.array_equal(read.expression, asked.expression)
    scene.copy_pose_from_source(shot, 1010 + by, 1021 + by)
    assert scene.read_motion(into, shot, made.KEY).translation[3, 0] != asked.translation[3, 0]
