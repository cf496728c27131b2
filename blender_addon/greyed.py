"""Why a button is grey, in a sentence each; Blender shows it where the pointer rests.  Never changes anything."""

from typing import Any

import bpy

from . import scene
from .compat import editing_scene


def no_plate(context: bpy.types.Context) -> str:
    plate = scene.plate_of(context)
    return plate if isinstance(plate, str) else ""


def no_shot(context: bpy.types.Context) -> str:
    head = editing_scene(context).retac.head
    if head is None:
        return "Solve a clip first: choose its strip in the sequencer and press Solve"
    shot = scene.shot_of(head)
    return shot if isinstance(shot, str) else ""


def not_moved(context: bpy.types.Context) -> str:
    if why := no_shot(context):
        return why
    into = editing_scene(context)
    return "" if scene.moved(into, scene.shot_of(into.retac.head)) else "The plate stands where it was solved"


def no_line(context: bpy.types.Context) -> str:
    if why := no_shot(context):
        return why
    lines = scene.shot_of(editing_scene(context).retac.head).lines
    return "" if lines else "Make a new line first: type its words and press Synthesize"


def no_lines_at_all(context: bpy.types.Context) -> str:
    with_lines = any(shot.lines for into in bpy.data.scenes for shot in scene.shots(into))
    return "" if with_lines else "No shot of this file has a new line yet"


class Greyed:
    """Mixin: the button is grey while `why_not` gives a sentence, and says it."""

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        why = cls.why_not(context)
        if why:
            cls.poll_message_set(why)
        return not why


def chosen_line(into: bpy.types.Scene, shot: Any) -> str:
    """Gives the key of the line that buttons work on: the one that was chosen, or the newest."""
    keys = [line.key for line in shot.lines]
    return into.retac.line if into.retac.line in keys else keys[-1]
