"""Every difference between the Blender versions 4.2 LTS to 5.2 LTS that the add-on meets.  Knows nothing of shots or heads."""

from dataclasses import dataclass
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

SLOTTED = bpy.app.version >= (4, 4, 0)  # an action holds the curves of several data-blocks, in slots
COMBINING_ADDS = bpy.types.ShapeKey.bl_rna.properties["value"].default == 0  # 5.0 has units rest at 1 and multiplies
MATERIALS_HAVE_NODES = bpy.app.version >= (5, 0, 0)  # and `use_nodes` only warns


# ---- the sequencer


def editing_scene(context: Any) -> Any:
    """Gives the scene whose strips the sequencer shows: since 5.0 not always the window's."""
    return getattr(context, "sequencer_scene", None) or context.scene


def strips(scene: Any) -> Any:
    """Gives the scene's strips; makes the sequence editor where there is none."""
    editor = scene.sequence_editor_create()
    return editor.strips if hasattr(editor, "strips") else editor.sequences  # an empty collection is falsy


def all_strips(scene: Any) -> list[Any]:
    """Gives the strips, those inside meta strips as well, and makes nothing."""
    editor = scene.sequence_editor
    if editor is None:
        return []
    return list(editor.strips_all if hasattr(editor, "strips_all") else editor.sequences_all)


def strip_range(strip: Any) -> tuple[int, int]:
    """Gives the scene frames [first, last) that the strip shows."""
    if hasattr(strip, "left_handle"):  # 5.1; frame_final_* goes in 6.0
        return strip.left_handle, strip.right_handle
    return strip.frame_final_start, strip.frame_final_end


def clip_span(strip: Any) -> tuple[int, int]:
    """Gives the scene frame of a movie file's frame 0, which the strip may not show, and how many frames the file has."""
    if hasattr(strip, "content_start"):
        start, before, after = strip.content_start, strip.content_trim_start, strip.content_trim_end
        return round(start) - before, before + strip.content_duration + after
    before, after = strip.animation_offset_start, strip.animation_offset_end
    return round(strip.frame_start) - before, before + strip.frame_duration + after


def trim(strip: Any, first: int, last: int) -> None:
    """Has the strip show the scene frames [first, last); its content stays where it is."""
    if hasattr(strip, "left_handle"):
        strip.left_handle, strip.right_handle = first, last
    else:
        strip.frame_final_start, strip.frame_final_end = first, last


def add_mask(scene: Any, strip: Any, matte: Any) -> None:
    """Has a strip seen only where the matte is white."""
    with bpy.context.temp_override(sequencer_scene=scene):  # 5.0 crashes where no scene is being edited
        mask = strip.modifiers.new("Matte", "MASK")
    mask.input_mask_type, mask.input_mask_strip = "STRIP", matte


def move(strip: Any, by: int) -> None:
    """Moves a strip, its content and its ends."""
    if hasattr(strip, "content_start"):
        strip.content_start += by
    else:
        strip.frame_start += by


# ---- actions


@dataclass(frozen=True)
class Sheet:
    """The curves of one data-block in one action."""

    action: Any
    slot: Any  # None before 4.4
    curves: Any  # the collection of its F-curves
    groups: Any


def new_sheets(name: str, owners: tuple[Any, ...]) -> tuple[Sheet, ...]:
    """Makes one action for all owners, or, before 4.4, one for each."""
    if not SLOTTED:
        made = [bpy.data.actions.new(name if n == 0 else f"{name} units") for n in range(len(owners))]
        return tuple(Sheet(action, None, action.fcurves, action.groups) for action in made)
    action = bpy.data.actions.new(name)
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    slots = [action.slots.new(id_type=owner.id_type, name=owner.name) for owner in owners]
    bags = [strip.channelbag(slot, ensure=True) for slot in slots]
    return tuple(Sheet(action, slot, bag.fcurves, bag.groups) for slot, bag in zip(slots, bags, strict=True))


def sheet(action: Any, slot: Any) -> Sheet | None:
    """Gives the curves that an action holds for a slot; None where it holds none."""
    if not SLOTTED:
        return Sheet(action, None, action.fcurves, action.groups)
    if slot is None or not action.layers or not action.layers[0].strips:
        return None
    bag = action.layers[0].strips[0].channelbag(slot)
    return Sheet(action, slot, bag.fcurves, bag.groups) if bag else None


def active_sheet(animation: Any) -> Sheet | None:
    """Gives the curves that the Graph Editor shows of a data-block's AnimData."""
    if animation is None or animation.action is None:
        return None
    return sheet(animation.action, animation.action_slot if SLOTTED else None)


def strip_sheet(strip: Any) -> Sheet | None:
    """Gives the curves that an NLA strip plays."""
    if strip.action is None:
        return None
    return sheet(strip.action, strip.action_slot if SLOTTED else None)


def play(owner: Any, played: Sheet) -> None:
    """Makes it the owner's action."""
    animation = owner.animation_data_create()
    animation.action = played.action
    if SLOTTED:
        animation.action_slot = played.slot  # without it the curves are there and move nothing


def push(owner: Any, played: Sheet, name: str, first: int) -> Any:
    """Lays it into a new NLA track above the others; gives the NLA strip."""
    track = owner.animation_data_create().nla_tracks.new()
    track.name = name
    strip = track.strips.new(name, first, played.action)
    if SLOTTED:
        strip.action_slot = played.slot
    strip.name = name
    return strip


def move_nla(strip: Any, by: int) -> None:
    """Moves an NLA strip; its length stays."""
    move_span(strip, "frame_start", "frame_end", by)


def move_nla_content(strip: Any, by: int) -> None:
    """Moves an NLA strip whose action's keys were moved as far."""
    first, last = strip.frame_start, strip.frame_end
    move_span(strip, "action_frame_start", "action_frame_end", by)
    strip.frame_start, strip.frame_end = first, last  # which followed
    move_nla(strip, by)


def move_span(thing: Any, start: str, end: str, by: int) -> None:
    """Moves two ends, the one in front first: they must never cross."""
    for name in (end, start) if by > 0 else (start, end):
        setattr(thing, name, getattr(thing, name) + by)


def new_curve(where: Sheet, path: str, index: int, group: str) -> Any:
    if not SLOTTED:
        return where.curves.new(path, index=index, action_group=group)
    curve = where.curves.new(path, index=index)
    curve.group = where.groups.get(group) or where.groups.new(group)
    return curve


# ---- keys in bulk


def keyframe_enum(prop: str, name: str) -> int:
    return int(bpy.types.Keyframe.bl_rna.properties[prop].enum_items[name].value)


LINEAR, BEZIER = keyframe_enum("interpolation", "LINEAR"), keyframe_enum("interpolation", "BEZIER")
PLAIN, DOUBTED = keyframe_enum("type", "KEYFRAME"), keyframe_enum("type", "JITTER")
ALIGNED = keyframe_enum("handle_left_type", "ALIGNED")


def set_keys(curve: Any, frames: NDArray[Any], values: NDArray[Any], kinds: NDArray[Any] | None = None) -> None:
    """Replaces all keys by straight lines between (frame, value); kinds are keyframe types."""
    points = curve.keyframe_points
    points.clear()
    points.add(len(frames))
    points.foreach_set("co", np.column_stack([frames, values]).astype(np.float32).ravel())
    points.foreach_set("interpolation", np.full(len(frames), LINEAR, np.int32))
    if kinds is not None:
        points.foreach_set("type", kinds.astype(np.int32))
    curve.update()


def set_bezier(curve: Any, co: NDArray[Any], left: NDArray[Any], right: NDArray[Any]) -> None:
    """Replaces all keys by Bezier keys (K, 2) with handles (K, 2) that lie on one line with their key."""
    points = curve.keyframe_points
    points.clear()
    points.add(len(co))
    for kind in ("handle_left_type", "handle_right_type"):
        points.foreach_set(kind, np.full(len(co), ALIGNED, np.int32))
    points.foreach_set("interpolation", np.full(len(co), BEZIER, np.int32))
    for name, where in (("co", co), ("handle_left", left), ("handle_right", right)):
        points.foreach_set(name, where.astype(np.float32).ravel())
    curve.update()


def is_smooth(curve: Any) -> bool:
    """Says whether the curve is what its keys and handles tell, and no more: Bezier pieces, held beyond its ends."""
    kinds = key_numbers(curve, "interpolation")
    held = curve.extrapolation == "CONSTANT" or len(kinds) < 2
    return len(kinds) > 1 and bool((kinds == BEZIER).all()) and held and not len(curve.modifiers)


def key_numbers(curve: Any, name: str) -> NDArray[np.int32]:
    """Gives a property of the keys that is a choice, as numbers (K,)."""
    found = np.empty(len(curve.keyframe_points), np.int32)
    curve.keyframe_points.foreach_get(name, found)
    return found


def key_points(curve: Any, name: str = "co") -> NDArray[np.float32]:
    """Gives the keys, or their "handle_left" or "handle_right", (K, 2)."""
    found = np.empty(2 * len(curve.keyframe_points), np.float32)
    curve.keyframe_points.foreach_get(name, found)
    return found.reshape(-1, 2)


CHOICES, PLACES = ("interpolation", "handle_left_type", "handle_right_type"), ("co", "handle_left", "handle_right")
SHAPE = (*CHOICES, *PLACES)  # all that makes a curve's shape


def shape(curve: Any, names: tuple[str, ...] = SHAPE) -> dict[str, NDArray[Any]]:
    """Gives these properties of all keys, for `put_shape`."""
    return {name: (key_numbers if name in CHOICES else key_points)(curve, name) for name in names}


def put_shape(curve: Any, keys: dict[str, NDArray[Any]]) -> None:
    """Gives the curve the keys that `shape` gave."""
    points = curve.keyframe_points
    if len(points) != len(keys["co"]):
        points.clear()
        points.add(len(keys["co"]))
    for name, held in keys.items():
        points.foreach_set(name, held.ravel())
    curve.update()


# ---- materials


def node_tree(material: Any) -> Any:
    """Gives the material's nodes; a new material has a shader and an output."""
    if not MATERIALS_HAVE_NODES:
        material.use_nodes = True
    return material.node_tree
