"""What a data-block's actions and NLA tracks come to at given frames, without moving the playhead.  Changes nothing.

Follows Blender's rules (BKE_nla.h, anim_sys.cc) for what artists use: strips with scale, repeat, reverse, influence, blends
in and out, extrapolation, all ways to mix, the action on top.  For what it cannot follow `beyond` says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import compat, curves

Array = NDArray[np.float64]
Path = tuple[str, int]  # of a property, and its index


@dataclass(frozen=True)
class Layer:
    """One thing that has a say, at each of n frames."""

    sheet: compat.Sheet
    time: Array  # (n,) frame of the action
    weight: Array  # (n,) 0: no say
    mix: str


def beyond(animation: Any, paths: set[str]) -> bool:
    """Says whether there is something that `values` does not follow."""
    if animation is None:
        return False
    if any(driver.data_path in paths for driver in animation.drivers):
        return True
    strips = [strip for track in animation.nla_tracks if not track.mute for strip in track.strips if not strip.mute]
    if not compat.COMBINING_ADDS and any(strip.blend_type == "COMBINE" for strip in strips):
        return True
    return any(strip.type != "CLIP" or strip.use_animated_time or len(strip.modifiers) for strip in strips)


def values(animation: Any, paths: list[Path], frames: Array, counts: Callable[[Any, bool], bool]) -> Array:
    """Gives the properties (n, len(paths)); 0 where nothing moves them.

    `counts(strip, shown)` decides whether an NLA strip has a say; `shown` is whether Blender gives it one now.
    """
    result = np.zeros((len(frames), len(paths)))
    if animation is None:
        return result
    stack = [layer for layer in layers(animation, frames, counts) if (layer.weight > 0).any()]
    for column, (path, index) in enumerate(paths):
        for layer, curve in heard(stack, path, index):
            at = np.flatnonzero(layer.weight > 0)
            new = sampled(curve, layer.time[at])
            result[at, column] = mixed(layer.mix, result[at, column], new, layer.weight[at])
    return result


def heard(stack: list[Layer], path: str, index: int) -> list[tuple[Layer, Any]]:
    """Gives the layers that a property is moved by, with their curve, from the bottom up; none that another hides."""
    found: list[tuple[Layer, Any]] = []
    for layer in reversed(stack):
        curve = layer.sheet.curves.find(path, index=index)
        if curve is None or curve.mute:
            continue
        found.append((layer, curve))
        if layer.mix == "REPLACE" and (layer.weight == 1).all():
            break
    return found[::-1]


def sampled(curve: Any, times: Array) -> Array:
    """Gives the curve's values (n,) at times (n,)."""
    points = compat.key_points(curve)
    if len(points) and not len(curve.modifiers):
        place = np.clip(times - points[0, 0], 0, len(points) - 1).astype(np.intp)
        if np.array_equal(points[place, 0], times):  # a key on each
            return points[place, 1].astype(np.float64)
        if compat.is_smooth(curve):
            handles = (compat.key_points(curve, name) for name in ("handle_left", "handle_right"))
            return curves.bezier(points, *handles, times)
    return np.array([curve.evaluate(time) for time in times.tolist()])


def mixed(mix: str, old: Array, new: Array, weight: Array) -> Array:
    if mix in ("ADD", "COMBINE"):  # they are one for properties that rest at 0
        return old + weight * new
    if mix == "SUBTRACT":
        return old - weight * new
    if mix == "MULTIPLY":
        return old * (1 + weight * (new - 1))
    return old + weight * (new - old)


def layers(animation: Any, frames: Array, counts: Callable[[Any, bool], bool]) -> Iterator[Layer]:
    """Yields what has a say, from the bottom up."""
    tweaked = animation.use_tweak_mode
    solo = any(track.is_solo for track in animation.nla_tracks)
    for track in animation.nla_tracks if animation.use_nla else ():
        shown = track.is_solo if solo else not track.mute
        members = [strip for strip in track.strips if counts(strip, shown and not strip.mute)]
        yield from strip_layers(track, members, frames)
    if not tweaked and (active := compat.active_sheet(animation)) is not None:
        yield action_layer(animation, active, frames)


def strip_layers(track: Any, members: list[Any], frames: Array) -> Iterator[Layer]:
    """Yields each strip with a say at the frames that are its own."""
    owner = owners(list(track.strips), frames)
    for number, strip in enumerate(track.strips):
        sheet = compat.strip_sheet(strip)
        if strip not in members or sheet is None:
            continue
        at = np.clip(frames, strip.frame_start, strip.frame_end)
        weight = np.where(owner == number, influence(strip, at), 0.0)
        yield Layer(sheet, action_time(strip, at), weight, strip.blend_type)


def owners(strips: list[Any], frames: Array) -> NDArray[np.intp]:
    """Gives which strip of a track rules at each frame, -1 for none."""
    owner = np.full(len(frames), -1)
    for number, strip in reversed(list(enumerate(strips))):
        inside = (frames >= strip.frame_start) & (frames <= strip.frame_end)
        following = strips[number + 1].frame_start if number + 1 < len(strips) else np.inf
        after = (frames > strip.frame_end) & (frames < following) & (strip.extrapolation != "NOTHING")
        before = (frames < strip.frame_start) & (number == 0) & (strip.extrapolation == "HOLD")
        owner[inside | after | before] = number
    return owner


def influence(strip: Any, at: Array) -> Array:
    """Gives the weight (n,) that a strip has at frames (n,) within it."""
    if strip.use_animated_influence and len(strip.fcurves) and (curve := strip.fcurves.find("influence")) is not None:
        return np.clip([curve.evaluate(frame) for frame in at.tolist()], 0, 1)
    if strip.use_animated_influence:
        return np.full(len(at), strip.influence)
    weight = np.ones(len(at))
    if strip.blend_out:
        weight = np.where(at >= strip.frame_end - strip.blend_out, (strip.frame_end - at) / strip.blend_out, weight)
    if strip.blend_in:
        weight = np.where(at <= strip.frame_start + strip.blend_in, (at - strip.frame_start) / strip.blend_in, weight)
    return np.clip(weight, 0, 1)


def action_time(strip: Any, at: Array) -> Array:
    """Gives the action's frames (n,) behind the scene's (n,)."""
    scale, repeat = strip.scale or 1.0, strip.repeat or 1.0
    first, last = strip.action_frame_start, strip.action_frame_end
    length = (last - first) * scale  # scene frames of one repetition
    if length <= 0:
        return np.full(len(at), first)
    into = np.mod(at - strip.frame_start, length)
    if repeat == int(repeat):
        into = np.where(at == strip.frame_end, length, into)  # the last frame ends a round, and begins none
    return last - into / scale if strip.use_reverse else first + into / scale


def action_layer(animation: Any, active: compat.Sheet, frames: Array) -> Layer:
    weight = np.full(len(frames), animation.action_influence)
    if len(animation.nla_tracks):
        first, last = active.action.frame_range
        if animation.action_extrapolation == "NOTHING":
            weight[(frames < first) | (frames > last)] = 0
        elif animation.action_extrapolation == "HOLD_FORWARD":
            weight[frames < first] = 0
    mix = animation.action_blend_type if len(animation.nla_tracks) else "REPLACE"
    return Layer(active, frames, weight, mix)
