"""Edits change what they are asked to change, where they are asked to, on dense and on sparse curves."""

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from retac_shared.motion import Motion

from tests.blender import made, nodes
from tests.blender.test_lines import add

JAW = made.UNITS.index("jawOpen")


@pytest.fixture
def scene(addon: Any) -> ModuleType:
    return addon.module("scene")


@pytest.fixture
def shot(scene: ModuleType, tmp_path: Path) -> Any:
    """A head with a line of 24 frames at 1003, behind which the clip's frames 5 to 28 lie; its curves are open."""
    import bpy

    plate = scene.Plate("talk", tmp_path / "head" / "texture.png", 1001, 1001, 1031, 25.0, made.SIZE, made.FRAMES)
    shot = scene.build_shot(bpy.context.scene, plate, scene.read_shot(*made.head_files(tmp_path / "head")))
    return add(scene, shot, tmp_path / "line", first=1003, frames=24)[0]


def read(scene: ModuleType, shot: Any) -> Motion:
    import bpy

    return scene.read_motion(bpy.context.scene, shot, made.KEY)


def solved(tmp_path: Path) -> Any:
    with np.load(tmp_path / "head" / "track.npz") as file:
        return {name: file[name][5:29] for name in ("expression", "rotation", "translation")}


def keys(addon: Any, shot: Any) -> int:
    return sum(len(item.curve.keyframe_points) for item in addon.module("edits").opened(shot))


def test_simplified_curves_have_fewer_keys_and_stay_near(addon: Any, scene: ModuleType, shot: Any) -> None:
    before, dense = read(scene, shot), keys(addon, shot)
    scene.simplify(shot, 3.0)
    after = read(scene, shot)
    assert keys(addon, shot) < 0.6 * dense
    assert np.abs(after.expression - before.expression).max() <= 0.0301
    assert np.abs(after.translation - before.translation).max() <= 0.00151
    assert np.degrees(np.abs(after.rotation - before.rotation).max()) < 1.5


def test_restoring_brings_back_every_value(addon: Any, scene: ModuleType, shot: Any) -> None:
    import bpy

    before, dense, actions = read(scene, shot), keys(addon, shot), len(bpy.data.actions)
    scene.simplify(shot, 5.0)
    scene.restore(shot)
    after = read(scene, shot)
    assert (keys(addon, shot), len(bpy.data.actions)) == (dense, actions)
    assert np.abs(after.expression - before.expression).max() < 1e-6
    assert np.abs(after.rotation - before.rotation).max() < 1e-6


def test_an_edit_of_simplified_curves_outlives_restoring(scene: ModuleType, shot: Any) -> None:
    before = read(scene, shot)
    scene.simplify(shot, 3.0)
    scene.offset_scale(shot, "Head depth", 1003, 1026, 2.0, 1.0)
    scene.restore(shot)
    moved = read(scene, shot).translation - before.translation
    assert np.allclose(moved, [[0, 0, 0.02]] * 24, atol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_an_offset_of_eight_degrees_turns_the_head_by_eight(sparse: bool, scene: ModuleType, shot: Any) -> None:
    import bpy

    if sparse:
        scene.simplify(shot, 1.0)
    angles = []
    for offset in (0.0, 8.0):
        scene.offset_scale(shot, "Head turn", 1010, 1016, offset, 1.0)
        row = []
        for frame in range(1003, 1027):
            bpy.context.scene.frame_set(frame)
            row.append(np.degrees(shot.head.rotation_euler.z))
        angles.append(row)
    turned = np.array(angles[1]) - angles[0]
    assert np.abs(turned[7:14] - 8).max() < 0.5
    assert np.abs(turned[[0, 1, 2, 18, 19, 23]]).max() < 0.5


def test_a_scale_of_nought_stills_a_group_and_no_other(scene: ModuleType, shot: Any) -> None:
    before = read(scene, shot)
    scene.offset_scale(shot, "Jaw", 1003, 1026, 0.0, 0.0)
    after = read(scene, shot)
    assert np.ptp(after.expression[:, JAW]) < 1e-6
    others = np.delete(np.arange(len(made.UNITS)), JAW)
    assert np.array_equal(after.expression[:, others], before.expression[:, others])


def test_eased_ends_meet_the_clips_own_motion(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    before, plate = read(scene, shot), solved(tmp_path)
    scene.ease(shot, 5)
    after = read(scene, shot)
    for name in ("expression", "translation"):
        assert np.allclose(getattr(after, name)[[0, -1]], plate[name][[0, -1]], atol=1e-6)
        assert np.array_equal(getattr(after, name)[5:19], getattr(before, name)[5:19])


def test_a_copied_pose_is_the_clips_and_the_mouth_stays(scene: ModuleType, shot: Any, tmp_path: Path) -> None:
    before, plate = read(scene, shot), solved(tmp_path)
    scene.copy_pose_from_source(shot, 1008, 1012)
    after = read(scene, shot)
    assert np.allclose(after.rotation[5:10], plate["rotation"][5:10], atol=1e-5)
    assert np.array_equal(after.rotation[15:], before.rotation[15:])
    assert np.array_equal(after.expression, before.expression)


def test_a_nudge_is_largest_at_the_playhead_and_local(scene: ModuleType, shot: Any) -> None:
    before = read(scene, shot)
    scene.nudge_viseme(shot, 1012, {"jawOpen": 1.0}, 0.3, 3)
    added = (read(scene, shot).expression - before.expression)[:, JAW]
    assert (int(added.argmax()), added.max()) == (9, pytest.approx(0.3, abs=1e-6))
    assert not added[:6].any()
    assert not added[13:].any()


def test_a_nudge_downwards_never_goes_below_rest(scene: ModuleType, shot: Any) -> None:
    scene.nudge_viseme(shot, 1012, {"jawOpen": 1.0}, -1.0, 3)
    assert read(scene, shot).expression[9, JAW] == 0


def test_every_named_mouth_shape_is_made_of_units(scene: ModuleType, shot: Any) -> None:
    with np.load(nodes.ROOT / "retac_node" / "weights" / "head.npz") as head:
        assert {unit for shape in scene.VISEMES.values() for unit in shape} <= set(head["expression_names"].tolist())
    scene.nudge_viseme(shot, 1012, "Open (ah)", 0.5, 2)


def test_edits_work_where_the_strip_was_moved(scene: ModuleType, shot: Any) -> None:
    before = read(scene, shot)
    scene.leave_tweak(shot)
    for owner in shot.owners:
        strip = owner.animation_data.nla_tracks[-1].strips[0]
        strip.frame_start, strip.frame_end = strip.frame_start + 2, strip.frame_end + 2
    scene.edit_line(shot, made.KEY)
    assert shot.head.select_get()
    scene.nudge_viseme(shot, 1014, {"jawOpen": 1.0}, 0.3, 1)
    added = (read(scene, shot).expression[2:] - before.expression[:-2])[:, JAW]
    assert int(added.argmax()) == 9


def test_without_open_curves_an_edit_says_what_to_do(scene: ModuleType, shot: Any) -> None:
    scene.leave_tweak(shot)
    with pytest.raises(ValueError, match="press Edit"):
        scene.offset_scale(shot, "Jaw", 1003, 1026, 0.1, 1.0)
    scene.edit_line(shot, made.KEY)
    assert shot.head.select_get()
    with pytest.raises(ValueError, match="is empty"):
        scene.offset_scale(shot, "Jaw", 1026, 1003, 0.1, 1.0)
    with pytest.raises(ValueError, match="are not in the line"):
        scene.copy_pose_from_source(shot, 1, 5)


# ---- in steps


EDITS = {
    "offset": lambda scene, shot: scene.offsetting(shot, "Mouth", 1003, 1026, 0.2, 2.0),
    "ease": lambda scene, shot: scene.easing(shot, 6),
    "pose": lambda scene, shot: scene.copying_pose(shot, 1008, 1012),
    "nudge": lambda scene, shot: scene.nudging(shot, 1012, {"jawOpen": 1.0, "mouthPucker": 0.5}, 0.3, 3),
    "simplify": lambda scene, shot: scene.simplifying(shot, 2.0),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_is_stopped_takes_back_what_it_did(
    name: str, sparse: bool, addon: Any, scene: ModuleType, shot: Any
) -> None:
    if sparse:
        scene.simplify(shot, 3.0)
    before, held = read(scene, shot), keys(addon, shot)
    steps = EDITS[name](scene, shot)
    for _ in range(2):
        next(steps)
    scene.finish(scene.stopping(steps))
    after = read(scene, shot)
    assert keys(addon, shot) == held or name == "simplify"  # which restores
    if not (sparse and name == "simplify"):
        assert np.abs(after.expression - before.expression).max() < 1e-6
        assert np.abs(after.translation - before.translation).max() < 1e-6


def test_restoring_that_was_stopped_goes_on(addon: Any, scene: ModuleType, shot: Any) -> None:
    before, held = read(scene, shot), keys(addon, shot)
    scene.simplify(shot, 5.0)
    steps = scene.restoring(shot)
    for _ in range(4):
        next(steps)
    scene.finish(scene.stopping(steps))
    scene.restore(shot)
    assert keys(addon, shot) == held
    assert np.abs(read(scene, shot).expression - before.expression).max() < 1e-6


def test_sparse_curves_are_read_as_blender_evaluates_them(addon: Any, scene: ModuleType, shot: Any) -> None:
    scene.simplify(shot, 3.0)
    curve = addon.module("edits").opened(shot)[6 + JAW].curve
    point = curve.keyframe_points[1]
    point.handle_right_type = "FREE"
    point.handle_right = (point.co.x + 9.0, point.co.y + 0.4)  # reaches past the next key
    curve.update()
    times = np.linspace(1000, 1030, 91)
    seen = addon.module("nla").sampled(curve, times)
    assert np.abs(seen - [curve.evaluate(time) for time in times]).max() < 1e-4


def test_what_the_clip_says_is_marked_where_its_strip_shows_it(scene: ModuleType, tmp_path: Any) -> None:
    import bpy

    made.line_files(tmp_path / "said")
    words, into = tmp_path / "said" / "timing.json", bpy.context.scene
    plate = scene.Plate("talk", tmp_path / "head" / "texture.png", 1001, 1003, 1031, 25.0, made.SIZE, made.FRAMES)
    shot = scene.build_shot(into, plate, scene.read_shot(*made.head_files(tmp_path / "head"), words))
    marks = [(marker.name, marker.frame) for marker in into.timeline_markers if "head" not in marker.name]
    assert marks == [("“now”", 1006), ("/n/", 1006)]  # “open” is trimmed away
    scene.build_shot(into, plate, scene.read_shot(*made.head_files(tmp_path / "head")))
    assert [marker.name for marker in into.timeline_markers if "n" in marker.name and "head" not in marker.name] == []
    assert shot.marks
