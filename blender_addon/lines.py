"""Spoken lines on the timeline: curves in an action of their own above the solved ones, sound, markers; and back.

The solved action is never changed.  A line's curves play on the frames of the line alone; another line over the same
frames is muted, not removed.
"""

from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray
from retac_shared.motion import Motion, load_motion

from . import axes, channels, compat, nla
from .plates import free_channel, new_sound
from .rig import solved_sheets
from .shots import (
    LINE,
    Line,
    Shot,
    put_markers,
    shot_of,
    strips_of_line,
    take_markers,
    take_strip,
    with_line,
    without_line,
)  # fmt: skip
from .steps import Steps, at_once, part
from .timing import QUIET, markers, read_timing

LABEL = 24  # characters of a line's words that name its action and strips


def adding_line(
    scene: Any,
    shot: Shot,
    key: str,
    motion_npz: Path,
    timing_json: Path,
    wav: Path | None,
    first_frame: int,
    label: str = "",
) -> Steps[Line]:
    """Puts a line's curves, sound and markers at a scene frame.  Raises BadMotion, ValueError, OSError."""
    motion, timing = load_motion(motion_npz), read_timing(timing_json)
    if motion.names != channels.unit_names(shot.head.data.shape_keys):
        raise ValueError(f"{motion_npz.name} was made with another head model; solve the clip again, then the line")
    remove_line(scene, shot, key)
    yield 0.1
    title = shortened(label or " ".join(word for word, _, _ in timing.words) or "line")
    first, last = first_frame, first_frame + len(motion.source_frame)
    yield from part(keying(shot, key, title, motion, first), 0.1, 0.7)
    sound = add_sound(scene, title, wav, first, last)
    yield 0.8
    marks = put_markers(scene, markers(timing, first, motion.fps, timing.phonemes[:QUIET]))
    line = Line(key, title, first, last, motion.fps, tuple(motion.source_frame.tolist()), sound, marks)
    mute_others(scene, fresh(shot), line)
    made = with_line(fresh(shot), line)
    yield 0.9
    edit_line(made, key)
    return line


add_line = at_once(adding_line)


def fresh(shot: Shot) -> Shot:
    """Reads the shot again: the one at hand may be older than the last line."""
    found = shot_of(shot.head)
    assert isinstance(found, Shot), found
    return found


def shortened(label: str) -> str:
    words = " ".join(label.split())
    return words if len(words) <= LABEL else f"{words[: LABEL - 1].rstrip()}…"


def keying(shot: Shot, key: str, title: str, motion: Motion, first: int) -> Steps[None]:
    leave_tweak(shot)
    settle(shot)
    yield 0.0
    channels.make_room(shot.head.data.shape_keys, motion.names, motion.expression)
    sheets = compat.new_sheets(f"{shot.name}: {title}", shot.owners)
    rows = channels.table(motion.rotation, motion.translation, motion.expression)
    rows[:, :3] = near(rows[:, :3], shot, motion.source_frame)
    yield from channels.writing(sheets, motion.names, first + np.arange(len(rows)), rows)
    for owner, sheet in zip(shot.owners, sheets, strict=True):
        sheet.action[LINE] = key
        compat.push(owner, sheet, title, first).extrapolation = "NOTHING"


def near(euler: NDArray[Any], shot: Shot, source: NDArray[Any]) -> NDArray[Any]:
    """Moves angles (U, 3) by whole turns to the side of the solved ones, so that both can be blended."""
    sheets = solved_sheets(shot.head)
    if sheets is None:
        return euler
    at = float(shot.origin + int(source[0]))
    curves = [sheets[0].curves.find("rotation_euler", index=axis) for axis in range(3)]
    solved = np.array([curve.evaluate(at) if curve else 0.0 for curve in curves])
    return euler - 2 * np.pi * np.round((euler[0] - solved) / (2 * np.pi))


def settle(shot: Shot) -> None:
    """Moves the curves that are the head's action, the solved ones at first, into an NLA track: on top they rule alone."""
    for owner in shot.owners:
        sheet = compat.active_sheet(owner.animation_data) if owner.animation_data else None
        if sheet is not None:
            owner.animation_data.action = None
            compat.push(owner, sheet, sheet.action.name, int(np.floor(sheet.action.frame_range[0])))


def leave_tweak(shot: Shot) -> None:
    for owner in shot.owners:
        if owner.animation_data is not None and owner.animation_data.use_tweak_mode:
            owner.animation_data.use_tweak_mode = False


def edit_line(shot: Shot, key: str) -> bool:
    """Opens the line's curves in the Graph Editor and the Dope Sheet; False where they are gone."""
    leave_tweak(shot)
    settle(shot)
    choose(shot.head)
    opened = 0
    for owner in shot.owners:
        for track, strip in strips_of_line(owner, key)[:1]:
            animation = owner.animation_data
            for other in animation.nla_tracks:
                other.select = other == track
                for member in other.strips:
                    member.select = member == strip
            animation.nla_tracks.active = track
            animation.use_tweak_mode = True
            opened += animation.use_tweak_mode
    return opened == 2


def choose(head: Any) -> None:
    """Selects the head where it can be: editors show the curves of what is selected."""
    layer = bpy.context.view_layer
    if head.visible_get(view_layer=layer):  # False as well where it is not in the layer
        head.select_set(True)
        layer.objects.active = head


def compare(shot: Shot, key: str, influence: float) -> None:
    """Mixes the line with what is below it: 1 the line, 0 the clip's own motion."""
    for owner in shot.owners:
        for track, strip in strips_of_line(owner, key):
            track.mute = False
            strip.use_animated_influence = True
            strip.influence = influence
            for curve in strip.fcurves:
                if curve.data_path == "influence":
                    compat.set_keys(curve, np.array([strip.frame_start]), np.array([influence]))


def mute_others(scene: Any, shot: Shot, line: Line) -> None:
    """Mutes the earlier lines over the same frames, their curves and their sound."""
    for other in shot.lines:
        if other.key == line.key or other.first >= line.last or line.first >= other.last:
            continue
        for owner in shot.owners:
            for track, _ in strips_of_line(owner, other.key):
                track.mute = True
        for strip in compat.all_strips(scene):
            strip.mute = strip.mute or (strip.name == other.sound)


def add_sound(scene: Any, title: str, wav: Path | None, first: int, last: int) -> str:
    """Puts the voice at the frame, cut to the line's frames; gives its strip's name, "" where there is none."""
    if wav is None:
        return ""
    strip = new_sound(scene, title, wav, first, free_channel(scene, first, last, 1))
    if strip is None:
        return ""
    if compat.strip_range(strip)[1] > last:
        compat.trim(strip, first, last)
    return strip.name


def remove_line(scene: Any, shot: Shot, key: str) -> None:
    """Takes away what `add_line` added; nothing where there is no such line."""
    shot = fresh(shot)
    line = shot.line(key)
    if any(strips_of_line(owner, key) for owner in shot.owners):
        leave_tweak(shot)
    for owner in shot.owners:
        for track, strip in strips_of_line(owner, key):
            action = strip.action
            owner.animation_data.nla_tracks.remove(track)
            if not action.users:
                bpy.data.actions.remove(action)
    if line is not None:
        take_markers(scene, line.markers)
        take_strip(scene, line.sound)
        without_line(shot, key)


def read_motion(scene: Any, shot: Shot, key: str) -> Motion:
    """Evaluates the line's curves as they stand, with everything else in the NLA but other lines.  Raises ValueError."""
    shot = fresh(shot)
    line = shot.line(key)
    if line is None:
        raise ValueError("the line is not on this head any more; synthesize it again")
    names = channels.unit_names(shot.head.data.shape_keys)
    frames = np.arange(line.first, line.last, dtype=np.float64)
    rows = stacked(shot, key, names, frames) if followed(shot, names) else played(scene, shot, names, frames)
    blocks = [shot.head.data.shape_keys.key_blocks[name] for name in names]
    low, high = (np.array([getattr(block, end) for block in blocks]) for end in ("slider_min", "slider_max"))
    rows[:, channels.POSE :] = np.clip(rows[:, channels.POSE :], low, high) * [not block.mute for block in blocks]
    return channels.motion(rows, line.fps, np.array(line.source), names)


def followed(shot: Shot, names: tuple[str, ...]) -> bool:
    if shot.head.rotation_mode != axes.ORDER:
        return False
    paths = {channel.path for channel in channels.channels(names)}
    return not any(nla.beyond(owner.animation_data, paths) for owner in shot.owners)


def stacked(shot: Shot, key: str, names: tuple[str, ...], frames: NDArray[Any]) -> NDArray[np.float64]:
    """Gives the table (U, 6 + E) from the curves themselves."""

    def counts(strip: Any, shown: bool) -> bool:
        whose = str(strip.action.get(LINE, "")) if strip.action else ""
        return shown if not whose else whose == key

    every = channels.channels(names)
    return np.concatenate(
        [
            nla.values(owner.animation_data, [(c.path, c.index) for c in every if c.owner == number], frames, counts)
            for number, owner in enumerate(shot.owners)
        ],
        axis=1,
    )


def played(scene: Any, shot: Shot, names: tuple[str, ...], frames: NDArray[Any]) -> NDArray[np.float64]:
    """Gives the table as Blender plays it, frame after frame: for drivers and whatever else `nla` does not follow."""
    before, rows = (scene.frame_current, scene.frame_subframe), []
    try:
        for frame in frames.astype(int).tolist():
            scene.frame_set(frame)
            head = shot.head.evaluated_get(scene.view_layers[0].depsgraph)
            matrix = head.matrix_basis
            blocks = head.data.shape_keys.key_blocks
            rows.append([*matrix.to_euler(axes.ORDER), *matrix.translation, *(blocks[name].value for name in names)])
    finally:
        scene.frame_set(before[0], subframe=before[1])
    return np.array(rows)
