"""After the plate's strip was moved on the timeline: brings head, lines, markers and strips to where their frames are now."""

from dataclasses import replace
from typing import Any

from . import compat
from .plates import Plate, plate_named
from .results import PREVIEW, RESULT
from .rig import solved_sheets
from .shots import Shot, keep, strips_of_line
from .steps import Steps, at_once


def moved(scene: Any, shot: Shot) -> int:
    """Gives by how many frames the plate was moved since the clip was solved; 0 where it is gone."""
    plate = plate_named(scene, shot.plate_strip)
    return plate.origin - shot.origin if isinstance(plate, Plate) else 0


def following(scene: Any, shot: Shot) -> Steps[Shot]:
    """Moves everything of the shot as far as its plate was moved; gives the shot as it is now."""
    by = moved(scene, shot)
    if not by:
        return shot
    yield from moving_curves(shot, by)
    placed = {line.sound for line in shot.lines}
    for strip in compat.all_strips(scene):
        if strip.name in placed or any(strip.get(tag) == line.key for tag in (RESULT, PREVIEW) for line in shot.lines):
            compat.move(strip, by)
    marks = {*shot.marks, *(mark for line in shot.lines for mark in line.markers)}
    for marker in [marker for marker in scene.timeline_markers if (marker.name, marker.frame) in marks]:
        marker.frame += by
    behind = shot.camera.data.background_images if shot.camera else []
    for image in [image for image in behind if image.clip is not None]:
        image.clip.frame_start += by
    return keep(
        replace(
            shot,
            origin=shot.origin + by,
            marks=later(shot.marks, by),
            lines=tuple(
                replace(line, first=line.first + by, last=line.last + by, markers=later(line.markers, by))
                for line in shot.lines
            ),
        )
    )


follow_plate = at_once(following)


def later(marks: tuple[tuple[str, int], ...], by: int) -> tuple[tuple[str, int], ...]:
    return tuple((name, frame + by) for name, frame in marks)


def moving_curves(shot: Shot, by: int) -> Steps[None]:
    """Moves the solved keys, and the NLA strips of the lines."""
    tweaked = [owner for owner in shot.owners if owner.animation_data and owner.animation_data.use_tweak_mode]
    for owner in tweaked:
        owner.animation_data.use_tweak_mode = False
    sheets = solved_sheets(shot.head) or ()
    for curve in [curve for sheet in sheets for curve in sheet.curves]:
        for name in ("handle_left", "handle_right", "co"):
            where = compat.key_points(curve, name)
            where[:, 0] += by
            curve.keyframe_points.foreach_set(name, where.ravel())
        curve.update()
        yield 0.5
    for owner in shot.owners:
        for track in owner.animation_data.nla_tracks if owner.animation_data else ():
            for strip in track.strips:
                if any(strip.action == sheet.action for sheet in sheets):
                    compat.move_nla_content(strip, by)
        for line in shot.lines:
            for _, strip in strips_of_line(owner, line.key):
                compat.move_nla(strip, by)
    for owner in tweaked:
        owner.animation_data.use_tweak_mode = True
