"""Head over plate in a 3D view, live, drawn by Workbench.  Sets the one view it is asked for, and puts it back.

What the view had before is kept on the screen it belongs to, in the file.
"""

import json
from typing import Any

from .rig import fit
from .shots import Shot

BEFORE = "retac_view"  # of the screen: what a view showed before, by the number of its area
SHADING = {"type": "SOLID", "light": "STUDIO", "color_type": "TEXTURE", "show_xray": False}


def overlay(space: Any, shot: Shot, mix: float) -> None:
    """Looks through the shot's camera and lays the plate over the head: mix 0 is the plate alone, 1 the head."""
    screen, place = home(space)
    if not has_overlay(space):
        remember(screen, place, space)
    for name, value in SHADING.items():
        setattr(space.shading, name, value)
    space.use_local_camera = True
    space.camera = shot.camera
    space.region_3d.view_perspective = "CAMERA"
    space.overlay.show_overlays = True  # a camera's background is drawn with them
    fit(shot.camera.data, screen_scene(shot), shot.size)
    behind = shot.camera.data.background_images[0]
    behind.display_depth, behind.alpha = "FRONT", 1 - mix


def overlay_off(space: Any) -> None:
    """Puts the view back."""
    screen, place = home(space)
    kept = json.loads(screen.get(BEFORE, "{}"))
    old = kept.pop(place, None)
    screen[BEFORE] = json.dumps(kept)
    if old is None:
        return
    if space.camera is not None and space.camera.type == "CAMERA" and space.camera.data.background_images:
        behind = space.camera.data.background_images[0]
        behind.display_depth, behind.alpha = "BACK", 1.0
    for name, value in old["shading"].items():
        setattr(space.shading, name, value)
    space.region_3d.view_perspective = old["perspective"]
    space.overlay.show_overlays = old["overlays"]
    space.use_local_camera = old["local"]


def has_overlay(space: Any) -> bool:
    if space is None or space.type != "VIEW_3D":
        return False
    screen, place = home(space)
    return place in json.loads(screen.get(BEFORE, "{}"))


def home(space: Any) -> tuple[Any, str]:
    """Gives the screen of a view and its place there."""
    screen = space.id_data
    places = [number for number, area in enumerate(screen.areas) if space in list(area.spaces)]
    return screen, str(places[0] if places else 0)


def remember(screen: Any, place: str, space: Any) -> None:
    kept = json.loads(screen.get(BEFORE, "{}"))
    kept[place] = {
        "shading": {name: getattr(space.shading, name) for name in SHADING},
        "perspective": space.region_3d.view_perspective,
        "overlays": space.overlay.show_overlays,
        "local": space.use_local_camera,
    }
    screen[BEFORE] = json.dumps(kept)


def screen_scene(shot: Shot) -> Any:
    """Gives the scene that the shot is in."""
    return shot.head.users_scene[0]
