"""Head over plate in a 3D view: looks through the shot's camera without making it the scene's, and puts the view back."""

from pathlib import Path
from typing import Any

import pytest

from tests.blender import made


@pytest.fixture
def view() -> Any:
    import bpy

    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "VIEW_3D":
                return area.spaces.active
    return pytest.skip("this Blender has no 3D view")


def state(space: Any) -> tuple[Any, ...]:
    shading = space.shading
    return shading.type, shading.color_type, shading.light, space.region_3d.view_perspective, space.use_local_camera


def test_the_view_shows_the_head_over_the_plate_and_goes_back(view: Any, addon: Any, tmp_path: Path) -> None:
    import bpy

    scene, before = addon.module("scene"), state(view)
    plate = scene.Plate("talk", tmp_path / "head" / "texture.png", 1001, 1001, 1031, 25.0, made.SIZE, made.FRAMES)
    shot = scene.build_shot(bpy.context.scene, plate, scene.read_shot(*made.head_files(tmp_path / "head")))
    for mix in (0.6, 0.25):
        scene.overlay(view, shot, mix)
    behind = shot.camera.data.background_images[0]
    assert scene.has_overlay(view)
    assert (view.camera, view.region_3d.view_perspective, bpy.context.scene.camera) == (shot.camera, "CAMERA", None)
    assert (behind.display_depth, behind.alpha, view.shading.color_type) == ("FRONT", 0.75, "TEXTURE")
    scene.overlay_off(view)
    assert (state(view), scene.has_overlay(view), behind.display_depth, behind.alpha) == (before, False, "BACK", 1.0)
