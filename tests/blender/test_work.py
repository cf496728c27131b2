"""A shot from clip to result, against a node process over made-up stages: by scripts, as a farm would."""

import json
from pathlib import Path

import numpy as np
import pytest

bpy = pytest.importorskip("bpy")


@pytest.fixture
def solved(addon, node, clip):
    """The scene's settings, once the clip is solved."""
    addon.connect(node.address)
    assert bpy.ops.retac.import_clip(filepath=str(clip)) == {"FINISHED"}
    return bpy.context.scene.retac


@pytest.fixture
def spoken(solved):
    solved.text, solved.first, solved.last = "hello there", 11, 30
    assert bpy.ops.retac.line() == {"FINISHED"}
    return solved


def line_of(addon, retac):
    return addon.module("scene").shot_of(retac.head).lines[-1]


def order(retac) -> dict:
    return json.loads(retac.jobs[-1].order)


def files(retac) -> set[str]:
    return set(json.loads(retac.jobs[-1].files))


def test_a_clip_is_solved(addon, solved):
    shot = addon.module("scene").shot_of(solved.head)
    assert (shot.frames, shot.fps, shot.origin) == (50, 25, 1)
    assert len(solved.head.data.shape_keys.key_blocks) == 65
    assert [job.state for job in solved.jobs] == ["placed"]


def test_nothing_of_the_scene_is_set_but_what_it_owns(addon, node, clip):
    scene = bpy.context.scene
    scene.render.fps, scene.render.resolution_x, scene.frame_end = 30, 1234, 77
    addon.connect(node.address)
    bpy.ops.retac.import_clip(filepath=str(clip))
    assert (scene.render.fps, scene.render.resolution_x, scene.frame_end) == (30, 1234, 77)


def test_a_line_comes_back_where_it_was_asked_for(addon, spoken):
    line = line_of(addon, spoken)
    assert (line.first, line.last, line.label) == (11, 31, "hello there")
    assert (order(spoken)["start"], order(spoken)["end"]) == (0.4, 1.2)


def test_a_line_without_a_range_is_as_long_as_it_takes(addon, solved):
    solved.text, solved.ranged = "hello there", False
    assert bpy.ops.retac.line() == {"FINISHED"}
    assert line_of(addon, solved).last - line_of(addon, solved).first == 20
    assert bpy.ops.retac.render() == {"FINISHED"}


def test_a_render_with_the_curves_as_they_came_sends_none(spoken):
    assert bpy.ops.retac.render() == {"FINISHED"}
    assert [(job.goal, job.state) for job in spoken.jobs] == [
        ("solve", "placed"),
        ("line", "placed"),
        ("dub", "placed"),
    ]
    assert files(spoken) == {"clip"}


def test_a_preview_that_comes_late_does_not_lie_above_the_finished_shot(addon, spoken):
    assert bpy.ops.retac.render() == {"FINISHED"}
    strips = addon.module("compat").all_strips(bpy.context.scene)
    before = sorted(strip.name for strip in strips)
    addon.module("arrivals").show(spoken.jobs[-1].name, [Path(spoken.jobs[-1].folder) / "preview" / "000001.jpg"])
    assert sorted(strip.name for strip in addon.module("compat").all_strips(bpy.context.scene)) == before
    assert not [name for name in before if "preview" in name]


def test_a_nudged_curve_is_rendered_as_it_is_seen(addon, spoken):
    bpy.ops.retac.offset_scale(group=addon.module("scene").GROUPS[0], first=15, last=20, offset=8.0)
    assert bpy.ops.retac.render() == {"FINISHED"}
    assert files(spoken) == {"clip", "motion"}
    sent = np.load(json.loads(spoken.jobs[-1].files)["motion"])
    shown = np.load(Path(spoken.jobs[-1].folder) / "motion.npz")
    came = np.load(Path(spoken.jobs[-2].folder) / "motion.npz")
    assert np.array_equal(sent["rotation"], shown["rotation"])
    assert np.abs(shown["rotation"] - came["rotation"]).max() > 0.1


def test_frames_and_mattes_come_as_strips(addon, spoken):
    spoken.matte = True
    assert bpy.ops.retac.render() == {"FINISHED"}
    folder = Path(spoken.jobs[-1].folder)
    assert len(list((folder / "frames").iterdir())) == 50
    kinds = [strip.type for strip in addon.module("compat").all_strips(bpy.context.scene)]
    assert kinds.count("IMAGE") == 2


def test_a_recorded_line_is_used_as_it_is(addon, solved):
    sounds = addon.module("sound").strips(bpy.context.scene)
    if not sounds:
        pytest.skip("this Blender was built without sound")
    sound = sounds[0]
    solved.source, solved.sound, solved.first, solved.last = "SOUND", sound.name, 11, 30
    assert bpy.ops.retac.line() == {"FINISHED"}
    assert files(solved) == {"clip", "audio"}


def test_several_shots_are_queued_at_once(spoken):
    assert bpy.ops.retac.render_all() == {"FINISHED"}
    assert spoken.jobs[-1].state == "placed"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"text": ""}, "no words"),
        ({"first": 40, "last": 60}, "not within the clip"),
        ({"source": "SOUND", "sound": "none"}, "no sound strip"),
        ({"voice": "/no/such.wav"}, "not there"),
    ],
)
def test_what_cannot_be_asked_for_is_said_at_once(solved, changes, says):
    solved.text, solved.first, solved.last = "hello", 11, 30
    for name, value in changes.items():
        setattr(solved, name, value)
    with pytest.raises(RuntimeError, match=says):
        bpy.ops.retac.line()
    assert len(solved.jobs) == 1


def test_the_nodes_refusal_reaches_the_script(addon, node, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no movie")
    addon.connect(node.address)
    orders, scene = addon.module("orders"), bpy.context.scene
    job = orders.ask(scene, orders.Wanted({"goal": "solve"}, {"clip": broken}, orders.Place(), "broken"))
    inbox = addon.module("inbox")
    assert inbox.wait(lambda: scene.retac.jobs[job].state == "failed", 300)
    assert "broken" in inbox.errand(job).words or "video" in inbox.errand(job).words


def test_the_nodes_sentences_name_the_fields_of_the_sidebar(addon):
    wording, fields = addon.module("wording"), bpy.context.scene.retac.bl_rna.properties
    assert set(wording.FIELDS.values()) <= {item.name for item in fields}
    said = wording.for_artists("the line takes 3.1 s; move --end 0.4 s later, or give a recording with --voice")
    assert said == "the line takes 3.1 s; move “Last” 0.4 s later, or give a recording with “Voice”"
    assert "--" not in wording.for_artists("choose another folder with --work")


def test_no_node_no_job(addon):
    addon.preferences.address = "nonsense://"
    with pytest.raises(RuntimeError, match="not the address of a node"):
        bpy.ops.retac.connect()


def test_a_plate_that_was_moved_is_followed_before_anything_is_asked_for(addon, spoken):
    plate = next(strip for strip in addon.module("compat").all_strips(bpy.context.scene) if strip.type == "MOVIE")
    plate.frame_start += 10
    with pytest.raises(RuntimeError, match="moved by 10 frames"):
        bpy.ops.retac.render()
    assert bpy.ops.retac.follow_plate() == {"FINISHED"}
    assert line_of(addon, spoken).first == 21
    assert bpy.ops.retac.render() == {"FINISHED"}
    placed = [strip for strip in addon.module("compat").all_strips(bpy.context.scene) if strip.type == "MOVIE"]
    assert [addon.module("compat").clip_span(strip)[0] for strip in placed] == [11, 11]


@pytest.mark.parametrize("goal", ["line", "render"])
def test_a_result_lands_where_the_plate_was_moved_to_meanwhile(goal, addon, spoken):
    inbox, compat, scene = addon.module("inbox"), addon.module("compat"), bpy.context.scene
    spoken.text = "hello again"
    getattr(bpy.ops.retac, goal)(wait=False)
    job = spoken.jobs[-1]
    assert job.state == "open"
    plate = next(strip for strip in compat.all_strips(scene) if strip.type == "MOVIE")
    plate.frame_start += 10
    assert inbox.wait(lambda: job.state == "placed", 300)
    assert [(line.first, line.last) for line in addon.module("scene").shot_of(spoken.head).lines][-1] == (21, 41)
    movies = [strip for strip in compat.all_strips(scene) if strip.type == "MOVIE"]
    assert {compat.clip_span(strip)[0] for strip in movies} == {11}
    assert len(movies) == (2 if goal == "render" else 1)


def test_a_head_that_is_switched_off_for_renders_is_left_out(spoken):
    spoken.head.hide_render = True
    assert bpy.ops.retac.render_all() == {"CANCELLED"}
    assert [job.goal for job in spoken.jobs] == ["solve", "line"]


def test_a_farm_gets_the_results_saved_and_is_told_what_failed(spoken, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert bpy.ops.retac.render_all(save=True) == {"FINISHED"}
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    assert [(job.goal, job.state) for job in bpy.context.scene.retac.jobs][-1] == ("dub", "placed")
