"""The add-on's one door to Blender's data: plates, shots, lines, results, edits.  What is behind it knows no node."""

from .channels import GROUPS
from .edits import (
    copy_pose_from_source,
    copying_pose,
    ease,
    easing,
    nudge_viseme,
    nudging,
    offset_scale,
    offsetting,
    restore,
    restoring,
    simplify,
    simplifying,
)
from .follow import follow_plate, following, moved
from .lines import add_line, adding_line, compare, edit_line, leave_tweak, read_motion, remove_line
from .overlay import has_overlay, overlay, overlay_off
from .plates import (
    Plate,
    add_clip,
    fps_differs,
    match_fps,
    plate_named,
    plate_of,
    strips_name,
)
from .results import Placed, place_result, placing_result, remove_result, show_preview_frame
from .rig import build_shot, building, remove_shot
from .shots import Line, Shot, shot_in, shot_of, shots
from .solved import ShotData, read_shot
from .steps import Steps, finish, for_a_while, stopping
from .visemes import VISEMES

__all__ = (
    "GROUPS",
    "Line",
    "Placed",
    "Plate",
    "Shot",
    "ShotData",
    "Steps",
    "VISEMES",
    "add_clip",
    "add_line",
    "adding_line",
    "build_shot",
    "building",
    "compare",
    "copy_pose_from_source",
    "copying_pose",
    "ease",
    "easing",
    "edit_line",
    "finish",
    "follow_plate",
    "following",
    "for_a_while",
    "fps_differs",
    "has_overlay",
    "leave_tweak",
    "match_fps",
    "moved",
    "nudge_viseme",
    "nudging",
    "offset_scale",
    "offsetting",
    "overlay",
    "overlay_off",
    "place_result",
    "placing_result",
    "plate_named",
    "plate_of",
    "read_motion",
    "read_shot",
    "remove_line",
    "remove_result",
    "remove_shot",
    "restore",
    "restoring",
    "shot_in",
    "shot_of",
    "shots",
    "show_preview_frame",
    "simplify",
    "simplifying",
    "stopping",
    "strips_name",
)
