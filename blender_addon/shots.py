"""Shots and their lines: what the add-on knows of a solved head, kept on the head itself.  Adds nothing to the scene.

A Shot is read anew whenever it is wanted: undo and loading a file make old references worthless.
"""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import compat

FACTS, CAMERA = "retac", "retac_camera"  # custom properties of the head: JSON, and the camera object
LINE = "retac_line"  # of an action: the key of the line whose curves it holds
SOLVED = "retac_solved"  # of an action: the curves of the clip itself
DETAIL = "retac_detail"  # of an action: name of the action that keeps what simplifying left out


@dataclass(frozen=True)
class Line:
    """Curves of a spoken line, over the scene frames [first, last)."""

    key: str  # of its job
    label: str
    first: int
    last: int
    fps: float
    source: tuple[int, ...]  # the clip's frame behind each
    sound: str  # name of the sound strip; "" where there is none
    markers: tuple[tuple[str, int], ...]  # name and scene frame of what was put on the timeline


@dataclass(frozen=True)
class Shot:
    head: Any
    camera: Any
    name: str  # the clip's, without its ending
    plate_strip: str
    path: str  # of the clip
    origin: int  # scene frame of the clip's frame 0
    frames: int  # T
    fps: float
    size: tuple[int, int]  # W, H
    marks: tuple[tuple[str, int], ...]  # what was put on the timeline
    lines: tuple[Line, ...]

    @property
    def collection(self) -> Any:
        return self.head.users_collection[0] if self.head.users_collection else None

    @property
    def owners(self) -> tuple[Any, Any]:
        """The data-blocks that have curves: the head's pose, and its units."""
        return self.head, self.head.data.shape_keys

    def line(self, key: str) -> Line | None:
        return next((line for line in self.lines if line.key == key), None)


def shot_of(head: Any) -> Shot | str:
    """Gives the shot of a head, or the sentence why it is none."""
    if head is None:
        return "No head is chosen; solve a clip first, or choose its head"
    if FACTS not in head:
        return f"“{head.name}” is not a head that Re-TTAC solved; choose one"
    if head.type != "MESH" or head.data.shape_keys is None:
        return f"“{head.name}” has lost its shape keys; solve the clip again"
    held = json.loads(head[FACTS])
    lines = tuple(
        Line(**{**line, "source": tuple(line["source"]), "markers": pairs(line["markers"])})
        for line in held.pop("lines")
    )
    held["size"], held["marks"] = tuple(held["size"]), pairs(held["marks"])
    return Shot(head=head, camera=head.get(CAMERA), lines=lines, **held)


def pairs(rows: Any) -> tuple[tuple[str, int], ...]:
    return tuple((name, frame) for name, frame in rows)


def keep(shot: Shot) -> Shot:
    """Writes the facts onto the head."""
    facts = {
        name: getattr(shot, name)
        for name in ("name", "plate_strip", "path", "origin", "frames", "fps", "size", "marks")
    }
    shot.head[FACTS] = json.dumps({**facts, "lines": [asdict(line) for line in shot.lines]})
    shot.head[CAMERA] = shot.camera
    return shot


def with_line(shot: Shot, line: Line) -> Shot:
    return keep(replace(shot, lines=(*(other for other in shot.lines if other.key != line.key), line)))


def without_line(shot: Shot, key: str) -> Shot:
    return keep(replace(shot, lines=tuple(line for line in shot.lines if line.key != key)))


def shots(scene: Any) -> list[Shot]:
    """Gives the scene's shots."""
    found = [shot_of(thing) for thing in scene.objects if FACTS in thing]
    return [shot for shot in found if isinstance(shot, Shot)]


def shot_in(context: Any) -> Shot | str:
    """Gives the shot of the active object, or the scene's only one, or the sentence why it is not clear which."""
    active = context.object if hasattr(context, "object") else None
    if active is not None and FACTS in active:
        return shot_of(active)
    found = shots(context.scene)
    if len(found) == 1:
        return found[0]
    return "Choose the head of the shot" if found else "No clip is solved in this scene yet"


def line_of_action(action: Any) -> str:
    """Gives the key of the line whose curves these are; "" where they are of none."""
    return str(action.get(LINE, "")) if action is not None else ""


def strips_of_line(owner: Any, key: str) -> list[tuple[Any, Any]]:
    """Gives the NLA tracks and strips of a data-block that play the line's curves."""
    animation = owner.animation_data
    tracks = animation.nla_tracks if animation else ()
    return [(track, strip) for track in tracks for strip in track.strips if line_of_action(strip.action) == key]


def put_markers(scene: Any, wanted: list[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    made = [(scene.timeline_markers.new(name, frame=frame).name, frame) for name, frame in wanted]
    return tuple(made)  # with the names as Blender cut them


def take_markers(scene: Any, placed: tuple[tuple[str, int], ...]) -> None:
    """Takes back the markers that stand as they were put; moved or renamed ones are the artist's."""
    gone = set(placed)
    for marker in [marker for marker in scene.timeline_markers if (marker.name, marker.frame) in gone]:
        scene.timeline_markers.remove(marker)


def take_strip(scene: Any, name: str) -> None:
    for strip in [strip for strip in compat.all_strips(scene) if strip.name == name and name]:
        compat.strips(scene).remove(strip)
