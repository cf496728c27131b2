"""A solved head in Blender: it lines up with its plate, holds what was solved, and is made again without leftovers."""

from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.blender import made


@pytest.fixture
def scene(addon: Any) -> ModuleType:
    return addon.module("scene")


@pytest.fixture
def plate(addon: Any, scene: ModuleType, tmp_path: Path) -> Any:
    """A clip at frame 1001."""
    import bpy

    return scene.add_clip(
        bpy.context.scene, made.numbered_movie(addon.module("compat"), tmp_path / "talk.mp4", 25.0), 1001
    )


def built(scene: ModuleType, plate: Any, folder: Path, **how: Any) -> tuple[Any, Any]:
    import bpy

    data = scene.read_shot(*made.head_files(folder, **how))
    return scene.build_shot(bpy.context.scene, plate, data), data


def silhouette(shot: Any, frame: int, width: int, height: int, path: Path) -> np.ndarray:
    """Draws the head alone, by Workbench; gives where it is, (h, w)."""
    import bpy

    into = bpy.context.scene
    into.render.resolution_x, into.render.resolution_y = width, height
    into.render.engine, into.render.film_transparent, into.camera = "BLENDER_WORKBENCH", True, shot.camera
    into.render.use_sequencer, into.render.filepath = False, str(path)
    into.frame_set(frame)
    bpy.ops.render.render(write_still=True)
    return made.read_picture(path)[..., 3] > 0.5


@pytest.mark.parametrize("shape", [(256, 192), (400, 192), (256, 300)])
def test_the_head_is_drawn_where_the_solve_says(
    shape: tuple[int, int], addon: Any, scene: ModuleType, plate: Any, tmp_path: Path
) -> None:
    import bpy

    render = bpy.context.scene.render
    render.resolution_x, render.resolution_y = shape
    shot, data = built(scene, plate, tmp_path / "head")
    frame, axes = 12, addon.module("axes")
    head = axes.from_blender(data.vertices + np.tensordot(data.expression[frame], data.shapes - data.vertices, 1))
    points = head @ axes.matrices(data.rotation[frame : frame + 1])[0].T + data.translation[frame]  # (6, 3), camera
    scale = min(shape[0] / made.SIZE[0], shape[1] / made.SIZE[1])  # the plate is laid in whole
    x, y = (scale * data.focal * points[:, :2] / points[:, 2:]).T + np.array(shape)[:, None] / 2
    rows, columns = np.nonzero(silhouette(shot, 1001 + frame, *shape, tmp_path / "head.png"))
    drawn = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    assert np.abs(np.array(drawn) - [x.min(), x.max(), y.min(), y.max()]).max() < 1.5


def test_the_camera_has_the_clip_behind_it_on_the_right_frame(scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    shot, _ = built(scene, plate, tmp_path / "head")
    behind = shot.camera.data.background_images[0]
    assert (behind.source, Path(behind.clip.filepath), behind.clip.frame_start) == ("MOVIE_CLIP", plate.path, 1001)


def test_curves_hold_what_was_solved(addon: Any, scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    shot, data = built(scene, plate, tmp_path / "head")
    bpy.context.scene.frame_set(1001 + 20)
    blocks = shot.head.data.shape_keys.key_blocks
    assert [blocks[name].value for name in made.UNITS] == data.expression[20].tolist()
    axes = addon.module("axes")
    assert np.allclose(axes.from_blender(np.array(shot.head.location)), data.translation[20], atol=1e-7)
    assert np.allclose(axes.turn_from_euler(np.array([shot.head.rotation_euler]))[0], data.rotation[20], atol=1e-6)


def test_frames_in_doubt_are_marked(addon: Any, scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    shot, _ = built(scene, plate, tmp_path / "head")
    marks = [(marker.name, marker.frame) for marker in bpy.context.scene.timeline_markers]
    assert marks == [("head unsure (3)", 1005), ("head sure", 1008)]
    points = addon.module("compat").active_sheet(shot.head.animation_data).curves[0].keyframe_points
    assert [point.type for point in points][3:8] == ["KEYFRAME", "JITTER", "JITTER", "JITTER", "KEYFRAME"]


def test_a_shot_is_read_back_from_its_head_after_saving(scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    shot, _ = built(scene, plate, tmp_path / "head")
    facts = shot.name, shot.path, shot.origin, shot.frames, shot.fps, shot.size, shot.marks
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "shot.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "shot.blend"))
    (again,) = scene.shots(bpy.context.scene)
    assert facts == (again.name, again.path, again.origin, again.frames, again.fps, again.size, again.marks)
    assert again.camera.type == "CAMERA"


@pytest.mark.parametrize("same", [True, False])
def test_solved_again_it_replaces_the_head(same: bool, scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    first, _ = built(scene, plate, tmp_path / "head")
    held = [len(kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.cameras, bpy.data.images)]
    if not same:
        first.head.shape_key_remove(first.head.data.shape_keys.key_blocks["extra01"])  # as another head model would
    second, data = built(scene, plate, tmp_path / "again", seed=5)
    assert held == [len(kind) for kind in (bpy.data.objects, bpy.data.meshes, bpy.data.cameras, bpy.data.images)]
    assert len(bpy.context.scene.timeline_markers) == 2
    points = np.empty(18, np.float32)
    second.head.data.shape_keys.key_blocks["jawOpen"].points.foreach_get("co", points)
    assert np.array_equal(points.reshape(6, 3), data.shapes[made.UNITS.index("jawOpen")])


def test_the_scene_keeps_its_own_settings(scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    into = bpy.context.scene
    into.render.resolution_x, into.frame_end, before = 777, 55, into.camera
    fps = into.render.fps
    built(scene, plate, tmp_path / "head")
    assert (into.render.resolution_x, into.frame_end, into.render.fps, into.camera) == (777, 55, fps, before)


def test_what_cannot_be_a_plate_says_why(addon: Any, scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    strip = addon.module("compat").strips(bpy.context.scene)[plate.strip]
    assert scene.plate_of(bpy.context) == plate
    strip.use_reverse_frames = True
    assert "plays backwards" in scene.plate_named(bpy.context.scene, plate.strip)
    strip.use_reverse_frames = False
    plate.path.rename(tmp_path / "elsewhere.mp4")
    assert "is not there" in scene.plate_of(bpy.context)
    assert "not in this scene" in scene.plate_named(bpy.context.scene, "gone")
    assert "No movie strip" in scene.plate_of(SimpleNamespace(scene=bpy.data.scenes.new("empty")))


def test_a_plate_cut_into_by_a_hold_keeps_its_frames(addon: Any, scene: ModuleType, plate: Any) -> None:
    import bpy

    strip = addon.module("compat").strips(bpy.context.scene)[plate.strip]
    held = "content_trim_start" if hasattr(strip, "content_trim_start") else "animation_offset_start"
    setattr(strip, held, 4)
    found = scene.plate_named(bpy.context.scene, plate.strip)
    assert (found.frames, found.first - found.origin) == (made.FRAMES, 4)


@pytest.mark.parametrize("fps", [24 / 1.001, 24.0, 25.0, 30 / 1.001, 59.94, 12.5])
def test_rates_are_matched(fps: float, scene: ModuleType) -> None:
    import bpy

    render = bpy.context.scene.render
    scene.match_fps(bpy.context.scene, fps)
    assert abs(render.fps / render.fps_base - fps) < 1e-3


def test_building_yields_between_small_steps(scene: ModuleType, plate: Any, tmp_path: Path) -> None:
    import bpy

    data = scene.read_shot(*made.head_files(tmp_path / "head"))
    shares = list(scene.building(bpy.context.scene, plate, data))
    assert len(shares) > 10
    assert shares == sorted(shares)
