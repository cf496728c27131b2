"""A spoken line: beside the solved curves, read back exactly, by Blender's own rules of mixing, and removed without a trace."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from retac_shared.motion import Motion

from tests.blender import made

OTHER = "cd" * 16


@pytest.fixture
def scene(addon: Any) -> ModuleType:
    return addon.module("scene")


@pytest.fixture
def shot(scene: ModuleType, tmp_path: Path) -> Any:
    """A head whose clip's frame 0 is shown at 1001; its plate is not needed."""
    import bpy

    plate = scene.Plate("talk", tmp_path / "head" / "texture.png", 1001, 1001, 1031, 25.0, made.SIZE, made.FRAMES)
    return scene.build_shot(bpy.context.scene, plate, scene.read_shot(*made.head_files(tmp_path / "head")))


def add(
    scene: ModuleType, shot: Any, folder: Path, key: str = made.KEY, first: int = 1006, **how: Any
) -> tuple[Any, Motion]:
    import bpy

    motion, timing, wav, asked = made.line_files(folder, **how)
    scene.add_line(bpy.context.scene, shot, key, motion, timing, wav, first, label="open now")
    return scene.shot_of(shot.head), asked


def assert_same(read: Motion, asked: Motion, within: float = 1e-6) -> None:
    assert (read.fps, read.names) == (asked.fps, asked.names)
    assert np.array_equal(read.source_frame, asked.source_frame)
    for name in ("expression", "rotation", "translation"):
        assert np.abs(getattr(read, name) - getattr(asked, name)).max() <= within, name


def test_an_unedited_line_comes_back_as_it_was(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    shot, asked = add(scene, shot, tmp_path)
    read = scene.read_motion(bpy.context.scene, shot, made.KEY)
    assert_same(read, asked)
    assert np.array_equal(read.expression, asked.expression)


def test_solved_curves_play_outside_the_line_and_the_line_within(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    solved = {}
    for frame in (1005, 1006, 1017, 1018):
        bpy.context.scene.frame_set(frame)
        solved[frame] = shot.head.location.x
    shot, asked = add(scene, shot, tmp_path)
    for tweak in (True, False):
        if not tweak:
            scene.leave_tweak(shot)
        seen = {}
        for frame in solved:
            bpy.context.scene.frame_set(frame)
            seen[frame] = shot.head.location.x
        assert (seen[1005], seen[1018]) == (solved[1005], solved[1018])
        assert (seen[1006], seen[1017]) == pytest.approx(asked.translation[[0, 11], 0].tolist())


def test_words_phonemes_and_voice_are_on_their_frames(addon: Any, scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    into = bpy.context.scene
    scene.match_fps(into, 25.0)
    before = len(into.timeline_markers)
    add(scene, shot, tmp_path)
    marks = [(marker.name, marker.frame) for marker in into.timeline_markers][before:]
    assert marks == [("open", 1006), ("now", 1011), ("/n/", 1011)]
    sounds = [strip for strip in addon.module("compat").all_strips(into) if strip.type == "SOUND"]
    if not sounds:
        pytest.skip("this Blender has no audio system")
    assert addon.module("compat").strip_range(sounds[0]) == (1006, 1018)


def change_strip(strip: Any, how: dict[str, Any]) -> None:
    for name, value in how.items():
        setattr(strip, name, value)


@pytest.mark.parametrize(
    "how",
    [
        {"blend_in": 4.0, "blend_out": 3.0},
        {"blend_type": "ADD"},
        {"blend_type": "SUBTRACT", "blend_in": 5.0},
        {"blend_type": "MULTIPLY"},
        {"blend_type": "COMBINE", "blend_out": 2.0},
        {"use_animated_influence": True, "influence": 0.3},
        {"scale": 0.7},
        {"repeat": 1.6, "scale": 0.5},
        {"use_reverse": True},
        {"extrapolation": "HOLD", "frame_end": 1012.0},
        {"extrapolation": "HOLD_FORWARD", "frame_end": 1012.0, "frame_start": 1008.0},
        {"mute": True},
    ],
    ids=lambda how: " ".join(how),
)
def test_reading_follows_blenders_own_mixing(
    how: dict[str, Any], addon: Any, scene: ModuleType, shot: Any, tmp_path: Path
) -> None:
    import bpy

    if how.get("blend_type") == "COMBINE" and not addon.module("compat").COMBINING_ADDS:
        pytest.skip("this Blender combines units in its own way; lines are then read as it plays them")
    shot, _ = add(scene, shot, tmp_path)
    scene.leave_tweak(shot)
    for owner in shot.owners:
        for track in list(owner.animation_data.nla_tracks)[-1:]:
            change_strip(track.strips[0], how)
    lines, frames = addon.module("lines"), np.arange(1006.0, 1018.0)
    key = "no line" if "mute" in how else made.KEY  # a muted line is read when it is asked for
    fast = lines.stacked(shot, key, made.UNITS, frames)
    slow = lines.played(bpy.context.scene, shot, made.UNITS, frames)
    fast[:, 6:] = np.clip(fast[:, 6:], 0, 1)
    turns = addon.module("axes").turn_from_euler
    assert np.abs(turns(fast[:, :3]) - turns(slow[:, :3])).max() < 1e-5
    assert np.abs(fast[:, 3:] - slow[:, 3:]).max() < 1e-5


def test_a_layer_of_the_artists_own_is_read_too(addon: Any, scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    shot, asked = add(scene, shot, tmp_path)
    compat = addon.module("compat")
    scene.leave_tweak(shot)
    sheet = compat.new_sheets("mine", (shot.head,))[0]
    compat.set_keys(compat.new_curve(sheet, "location", 2, "mine"), np.array([1000, 1040]), np.array([0.1, 0.1]))
    compat.push(shot.head, sheet, "mine", 1000).blend_type = "ADD"
    read = scene.read_motion(bpy.context.scene, shot, made.KEY)
    assert np.allclose(read.translation, asked.translation + np.float32([0, -0.1, 0]), atol=1e-6)


def test_drivers_are_read_as_blender_plays_them(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    into = bpy.context.scene
    shot, asked = add(scene, shot, tmp_path)
    scene.leave_tweak(shot)
    shot.head.data.shape_keys.driver_add('key_blocks["jawOpen"].value').driver.expression = "0.25"
    into.frame_set(1003)
    read = scene.read_motion(into, shot, made.KEY)
    jaw = made.UNITS.index("jawOpen")
    assert np.allclose(read.expression[:, jaw], 0.25)
    assert np.allclose(np.delete(read.expression, jaw, 1), np.delete(asked.expression, jaw, 1), atol=1e-6)
    assert into.frame_current == 1003


def test_two_lines_over_the_same_frames_are_read_each_by_itself(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    shot, first = add(scene, shot, tmp_path / "a")
    shot, second = add(scene, shot, tmp_path / "b", OTHER, 1008, seed=7)
    assert_same(scene.read_motion(bpy.context.scene, shot, made.KEY), first)
    assert_same(scene.read_motion(bpy.context.scene, shot, OTHER), second)
    assert [line.key for line in shot.lines] == [made.KEY, OTHER]


def test_the_same_line_again_replaces_the_first(addon: Any, scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    for seed in (1, 2):
        shot, asked = add(scene, shot, tmp_path / str(seed), seed=seed)
    held = len(bpy.data.actions), len(bpy.context.scene.timeline_markers), len(shot.head.animation_data.nla_tracks)
    assert held == (2 if addon.module("compat").SLOTTED else 4, 5, 2)
    assert_same(scene.read_motion(bpy.context.scene, shot, made.KEY), asked)


def test_a_removed_line_leaves_nothing(addon: Any, scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    into = bpy.context.scene
    before = len(bpy.data.actions), len(into.timeline_markers), len(addon.module("compat").all_strips(into))
    shot, _ = add(scene, shot, tmp_path)
    scene.remove_line(into, shot, made.KEY)
    assert before == (len(bpy.data.actions), len(into.timeline_markers), len(addon.module("compat").all_strips(into)))
    assert scene.shot_of(shot.head).lines == ()


def test_comparing_mixes_line_and_clip(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    into = bpy.context.scene
    shot, _ = add(scene, shot, tmp_path)
    seen = []
    for share in (1.0, 0.0, 0.5):
        scene.compare(shot, made.KEY, share)
        into.frame_set(1010)
        seen.append(shot.head.location.z)
    assert seen[2] == pytest.approx((seen[0] + seen[1]) / 2)
    assert seen[0] != seen[1]


def test_a_solve_after_the_line_keeps_the_line(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    shot, asked = add(scene, shot, tmp_path)
    plate = scene.Plate("talk", Path(shot.path), 1001, 1001, 1031, 25.0, made.SIZE, made.FRAMES)
    again = scene.build_shot(bpy.context.scene, plate, scene.read_shot(*made.head_files(tmp_path / "again", seed=9)))
    assert again.head == shot.head
    assert_same(scene.read_motion(bpy.context.scene, again, made.KEY), asked)


def test_a_line_of_another_head_model_is_refused(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    shot.head.data.shape_keys.key_blocks["jawOpen"].name = "jawWide"
    with pytest.raises(ValueError, match="another head model"):
        add(scene, shot, tmp_path)


def test_blends_open_again_with_their_lines(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    import bpy

    _, asked = add(scene, shot, tmp_path)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    (again,) = scene.shots(bpy.context.scene)
    assert_same(scene.read_motion(bpy.context.scene, again, made.KEY), asked)
