"""Edits of the curves that are open in the Graph Editor: fewer keys and back, offset, ease, pose of the source, visemes.

Each works on sparse curves as on dense ones, in steps short enough for the interface, and at once under a name of its own.
Never touches the solved curves while a line is open, and never moves a key in time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

from . import channels, compat, curves
from .channels import PLACE, POSE, TURN, Channel
from .nla import sampled
from .rig import solved_sheets
from .shots import DETAIL, LINE, Line, Shot
from .steps import Steps, Stopped, at_once, part
from .visemes import VISEMES

Array = NDArray[np.float64]
SOFT = 4  # frames over which an offset fades outside its range
SHARE = 0.02  # of a change of sparse curves that may be lost
UNIT_OF = {TURN: np.pi / 180, PLACE: 0.01}  # an offset's degree and centimetre in radians and metres


@dataclass(frozen=True)
class Open:
    """The curves of one channel, and of which scene frames its keys are."""

    channel: Channel
    curve: Any
    column: int  # of the table


def opened(shot: Shot) -> list[Open]:
    """Gives the curves that are open.  Raises ValueError where there are none."""
    sheets = [compat.active_sheet(owner.animation_data) if owner.animation_data else None for owner in shot.owners]
    found = []
    for column, channel in enumerate(channels.channels(channels.unit_names(shot.owners[1]))):
        sheet = sheets[channel.owner]
        curve = sheet.curves.find(channel.path, index=channel.index) if sheet else None
        if curve is not None and not curve.lock:
            found.append(Open(channel, curve, column))
    if not found:
        raise ValueError("no curves of this head are open; choose the line and press Edit")
    return found


def in_action(shot: Shot, frame: float) -> float:
    """Gives the open action's frame behind a scene frame: another one where the NLA strip was moved."""
    animation = shot.head.animation_data
    return animation.nla_tweak_strip_time_to_scene(frame, invert=True) if animation.use_tweak_mode else frame


def line_opened(shot: Shot) -> Line:
    """Gives the line whose curves are open.  Raises ValueError where they are of none."""
    action = shot.head.animation_data.action if shot.head.animation_data else None
    line = shot.line(str(action.get(LINE, ""))) if action is not None else None
    if line is None:
        raise ValueError("this works on a line, and none is open; choose the line and press Edit")
    return line


# ---- fewer keys, and back


def simplifying(shot: Shot, tolerance: float = 1.0) -> Steps[None]:
    """Replaces the key on each frame by few with handles; 1 is a tolerance that is hardly seen.

    What the new curve leaves out is kept aside, for `restore`.  Does nothing to curves that are sparse already.  Stopped,
    it restores.
    """
    every = opened(shot)
    try:
        for number, item in enumerate(every):
            points = compat.key_points(item.curve).astype(np.float64)
            if len(points) > 2 and is_dense(points):
                share = number / len(every), (number + 1) / len(every)
                yield from part(thinning_out(shot, item, points, tolerance), *share)
            yield (number + 1) / len(every)
    except Stopped:
        yield from restoring(shot)


def thinning_out(shot: Shot, item: Open, points: Array, tolerance: float) -> Steps[None]:
    """Replaces a curve's keys, points (K, 2), by fewer."""
    frames, values = points.T
    spline = yield from curves.thinning(values, tolerance * item.channel.finest)
    knots = curves.Spline(spline.frames + frames[0], spline.values, spline.slopes)
    compat.set_bezier(item.curve, np.stack([knots.frames, knots.values], 1), *knots.handles())
    keep_detail(shot, item, frames, values - sampled(item.curve, frames))


def is_dense(points: NDArray[Any]) -> bool:
    return bool(np.array_equal(np.diff(points[:, 0]), np.ones(len(points) - 1)))


def detail_of(shot: Shot, number: int) -> Any:
    """Gives the action that keeps what simplifying left out of an owner's open action; None where there is none."""
    action = shot.owners[number].animation_data.action
    return bpy.data.actions.get(action.get(DETAIL, "")) if action is not None else None


def keep_detail(shot: Shot, item: Open, frames: Array, rest: Array) -> None:
    number = item.channel.owner
    detail = detail_of(shot, number)
    if detail is None:
        opened_action = shot.owners[number].animation_data.action
        sheets = compat.new_sheets(f"{opened_action.name} detail", shot.owners)
        for owner, sheet in zip(shot.owners, sheets, strict=True):
            sheet.action.use_fake_user = True
            owner.animation_data.action[DETAIL] = sheet.action.name
        detail = detail_of(shot, number)
    sheet = sheet_of(detail, number)
    curve = sheet.curves.find(item.channel.path, index=item.channel.index)
    curve = curve or compat.new_curve(sheet, item.channel.path, item.channel.index, item.channel.group)
    compat.set_keys(curve, frames, rest)


def sheet_of(action: Any, number: int) -> compat.Sheet:
    """Gives the curves of an owner, by its number, in an action that `new_sheets` made."""
    found = compat.sheet(action, action.slots[number] if compat.SLOTTED else None)
    assert found is not None, f"{action.name} holds nothing for owner {number}"
    return found


def restoring(shot: Shot) -> Steps[None]:
    """Brings the key on each frame back: the curve as it is now, with what simplifying had left out.

    Stopped, it leaves curves of both kinds, and goes on from there another time.
    """
    details, every = [detail_of(shot, number) for number in range(2)], opened(shot)
    for number, item in enumerate(every):
        detail = details[item.channel.owner]
        if detail is not None:
            bring_back(item, sheet_of(detail, item.channel.owner))
        yield (number + 1) / len(every)
    for owner, detail in zip(shot.owners, details, strict=True):
        if detail is not None:
            owner.animation_data.action.pop(DETAIL, None)
    for detail in {detail.name for detail in details if detail is not None}:
        bpy.data.actions.remove(bpy.data.actions[detail])


def bring_back(item: Open, sheet: compat.Sheet) -> None:
    kept = sheet.curves.find(item.channel.path, index=item.channel.index)
    if kept is not None:
        points = compat.key_points(kept)
        frames = points[:, 0].astype(np.float64)
        compat.set_keys(item.curve, frames, sampled(item.curve, frames) + points[:, 1])
        sheet.curves.remove(kept)


# ---- changes of values


def each(items: list[Open], work: Callable[[Open], Steps[None]]) -> Steps[None]:
    """Works on curves one by one; stopped, it puts back those that it has changed."""
    before = []
    try:
        for number, item in enumerate(items):
            dense = is_dense(compat.key_points(item.curve))
            before.append((item.curve, compat.shape(item.curve, ("co",) if dense else compat.SHAPE)))
            yield from part(work(item), number / len(items), (number + 1) / len(items))
    except Stopped:
        for curve, keys in before:
            compat.put_shape(curve, keys)
            yield 1.0


def changing(item: Open, frames: Array, new: Callable[[Array], Array]) -> Steps[None]:
    """Gives the curve other values at frames (n,) in a row, which `new` makes of its values there.

    A dense curve gets them key by key.  A sparse one keeps its keys, which move with what changes, and gets keys where
    the change starts, ends and is largest.
    """
    old = sampled(item.curve, frames)
    points = compat.key_points(item.curve)
    within = (frames >= points[0, 0]) & (frames <= points[-1, 0])  # a line keeps its length
    frames, old, delta = frames[within], old[within], (new(old) - old)[within]
    if not np.abs(delta).max(initial=0) > 0:
        return
    dense = is_dense(points)
    if not dense:
        yield from part(adding_keys(item.curve, frames, old, delta), 0.0, 0.9)
        points = compat.key_points(item.curve)
    at = np.interp(points[:, 0], frames, delta, 0, 0)
    lean = np.interp(points[:, 0], frames, np.gradient(delta), 0, 0) if len(delta) > 1 else np.zeros(len(points))
    # a handle moves and turns with its key, so that they stay on one line
    for name in ("co",) if dense else ("handle_left", "handle_right", "co"):
        where = compat.key_points(item.curve, name)
        where[:, 1] += at + lean * (where[:, 0] - points[:, 0])
        item.curve.keyframe_points.foreach_set(name, where.ravel())
    item.curve.update()
    yield 1.0


def adding_keys(curve: Any, frames: Array, old: Array, delta: Array) -> Steps[None]:
    """Adds keys on the curve where a change needs them."""
    held = set(compat.key_points(curve)[:, 0].tolist())
    spline = yield from curves.thinning(delta, float(np.abs(delta).max()) * SHARE)
    for n in spline.frames.astype(int).tolist():
        if float(frames[n]) not in held:
            curve.keyframe_points.insert(frames[n], old[n], options={"FAST"})
    curve.update()


def stretch(shot: Shot, first: float, last: float, soft: int) -> tuple[Array, Array]:
    """Gives the action's frames of a scene range and `soft` frames around it, and weights that fade over those."""
    frames = np.arange(np.floor(in_action(shot, first)) - soft, np.ceil(in_action(shot, last)) + soft + 1)
    ends = in_action(shot, first), in_action(shot, last)
    return frames, curves.bell(frames, *ends, soft + 1 if soft else 0)


def offsetting(shot: Shot, group: str, first: int, last: int, offset: float, scale: float) -> Steps[None]:
    """Scales a group's curves about their mean over the scene frames first..last, and adds an offset, softly at the ends.

    The offset is in degrees for the turn, centimetres for the place, activation for units.  Raises ValueError.
    """
    check_range(first, last)
    items = [item for item in opened(shot) if item.channel.edited_with == group]
    if not items:
        raise ValueError(f"this head has no open curves in “{group}”; choose another group")
    frames, weight = stretch(shot, first, last, SOFT)
    held = compat.key_points(items[0].curve)[[0, -1], 0]
    if frames[-1] - SOFT < held[0] or frames[0] + SOFT > held[1]:
        raise ValueError(f"frames {first} to {last} are not in the open curves; choose a range within them")
    added = offset * UNIT_OF.get(items[0].channel.group, 1.0)

    def work(item: Open) -> Steps[None]:
        middle = float(sampled(item.curve, frames[weight == 1]).mean()) if scale != 1 else 0.0
        yield from changing(item, frames, lambda old: old + weight * ((scale - 1) * (old - middle) + added))
        widen(shot, item)

    yield from each(items, work)


def check_range(first: int, last: int) -> None:
    if first > last:
        raise ValueError(f"the range from {first} to {last} is empty; give its first frame before its last")


def easing(shot: Shot, frames: int) -> Steps[None]:
    """Lets the line grow out of the clip's own motion and back into it, over some frames at both ends."""
    line = line_opened(shot)
    count = line.last - line.first
    reach = max(1, min(frames, count // 2))
    yield from blending(shot, line, curves.ends(count, reach), lambda channel: True)


def copying_pose(shot: Shot, first: int, last: int) -> Steps[None]:
    """Gives the head the clip's own pose over the scene frames first..last, softly at the ends."""
    check_range(first, last)
    line = line_opened(shot)
    frames = np.arange(line.first, line.last)
    weight = curves.bell(frames, first, last, SOFT + 1)
    if not (weight > 0).any():
        raise ValueError(f"frames {first} to {last} are not in the line, which has {line.first} to {line.last - 1}")
    yield from blending(shot, line, weight, lambda channel: channel.group in (TURN, PLACE))


def blending(shot: Shot, line: Line, weight: Array, wanted: Callable[[Channel], bool]) -> Steps[None]:
    """Mixes what the clip did in the source frames behind the line into it: weight (U,) 1 is the clip's alone."""
    sheets = solved_sheets(shot.head)
    if sheets is None:
        raise ValueError("the clip's own curves are gone from this head; solve the clip again")
    source = shot.origin + np.array(line.source, np.float64)
    frames = np.array([in_action(shot, frame) for frame in range(line.first, line.last)])

    def work(item: Open) -> Steps[None]:
        own = sheets[item.channel.owner].curves.find(item.channel.path, index=item.channel.index)
        if own is not None:
            there = sampled(own, source)
            yield from changing(item, frames, lambda old: old + weight * (there - old))

    yield from each([item for item in opened(shot) if wanted(item.channel)], work)


def nudging(
    shot: Shot, frame: int, units: str | Mapping[str, float], amount: float, falloff_frames: int
) -> Steps[None]:
    """Adds a mouth shape at a scene frame, by name or unit -> activation, fading over frames to both sides."""
    shape = VISEMES[units] if isinstance(units, str) else units
    wanted = {f'key_blocks["{unit}"].value': share for unit, share in shape.items()}
    items = [item for item in opened(shot) if item.column >= POSE and item.channel.path in wanted]
    centre, reach = in_action(shot, frame), falloff_frames + 1

    def work(item: Open) -> Steps[None]:
        first, last = (float(end) for end in compat.key_points(item.curve)[[0, -1], 0])
        frames = np.arange(max(first, round(centre) - reach), min(last, round(centre) + reach) + 1)
        if not len(frames):
            raise ValueError(f"frame {frame} is not in the open curves; put the playhead into the line")
        added = amount * wanted[item.channel.path] * curves.hump(frames, centre, reach)
        yield from changing(
            item, frames, lambda old: np.where(added < 0, np.minimum(old, np.maximum(old + added, 0)), old + added)
        )
        widen(shot, item)

    yield from each(items, work)


def widen(shot: Shot, item: Open) -> None:
    """Makes room on a unit's slider for what its curve now asks, as far as Blender lets it go."""
    if item.column < POSE:
        return
    block = shot.owners[1].key_blocks[item.channel.path.split('"')[1]]
    values = compat.key_points(item.curve)[:, 1]
    block.slider_min = min(block.slider_min, float(values.min()))
    block.slider_max = max(block.slider_max, float(values.max()))


simplify, restore = at_once(simplifying), at_once(restoring)
offset_scale, ease = at_once(offsetting), at_once(easing)
copy_pose_from_source, nudge_viseme = at_once(copying_pose), at_once(nudging)
