"""From what the artist sees to what a node is asked for: scene frames and names in, seconds of the clip and files out.

Never talks to a node but through `ask`, which writes a job down and hands it to the connection.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from retac_shared.client import new_job
from retac_shared.motion import Motion, load_motion, save_motion
from retac_shared.order import Order

from . import book, inbox, scene, sound
from .book import Place
from .errands import Asked
from .preferences import results

NOBODY = "0" * 64  # stands for a digest that is not known yet
LABEL = 40  # characters of a line that name it
SAME = {"expression": 1e-4, "rotation": 1e-4, "translation": 1e-5}  # 1, rad, m: less is no edit


class CannotAsk(Exception):
    """The job cannot be asked for; the message says why and what to do."""


@dataclass(frozen=True)
class Wanted:
    """A job that is ready to be asked for."""

    order: dict[str, Any]  # fields of an Order, but for its files
    files: dict[str, Path]
    place: Place
    label: str


def ask(into: bpy.types.Scene, wanted: Wanted) -> str:
    """Checks an order, writes it down and hands it to the connection; gives the job's number.  Raises CannotAsk."""
    try:
        Order(**wanted.order, **dict.fromkeys(wanted.files, NOBODY))
    except ValueError as error:
        raise CannotAsk(str(error)) from error
    for path in wanted.files.values():
        if not path.is_file():
            raise CannotAsk(f"{path} is not there; check the path")
    assert inbox.talk is not None
    job = new_job()
    folder = results(f"{wanted.files['clip'].stem} {job[:8]}")
    asked = Asked(job, wanted.order, wanted.files, folder, wanted.label)
    book.write(into, asked, wanted.place, inbox.talk.address)
    inbox.talk.errands.begin(asked)
    return job


def sure(thing: Any) -> Any:
    """Gives the thing.  Raises CannotAsk with the sentence that stands in its place."""
    if isinstance(thing, str):
        raise CannotAsk(thing)
    return thing


def absolute(path: str) -> Path:
    return Path(bpy.path.abspath(path))


# ---- a head


def solve_of(into: bpy.types.Scene, plate: Any) -> Wanted:
    order = {"goal": "solve", **person(into.retac)}
    return Wanted(order, {"clip": plate.path}, Place(plate.strip), plate.strip[:LABEL])


def person(retac: Any) -> dict[str, Any]:
    """Gives the fields of an Order that say whose head is solved."""
    return {"subject": retac.subject if retac.subject >= 0 else None, "lens": retac.lens or None}


# ---- a new line


def in_place(into: bpy.types.Scene, shot: Any) -> None:
    """Raises CannotAsk where the plate does not stand where the head was solved."""
    if away := scene.moved(into, shot):
        raise CannotAsk(f"the plate was moved by {away} frames since it was solved; press Follow Plate first")


def line_of(into: bpy.types.Scene, shot: Any) -> Wanted:
    """Reads what is filled in.  Raises CannotAsk."""
    in_place(into, shot)
    retac = into.retac
    order: dict[str, Any] = {"goal": "line", "pose": retac.pose, "quality": retac.quality, "seed": retac.seed}
    order |= person(retac) | {"train_minutes": retac.minutes or None}
    files = {"clip": Path(shot.path)}
    if retac.source == "TEXT":
        order["text"] = retac.text
        if retac.voice:
            files["voice"] = absolute(retac.voice)
    else:
        files["audio"] = recorded(into, retac.sound)
    first = stop = shot.origin
    if retac.ranged:
        first, stop = retac.first, retac.last + 1
        order |= seconds_of(shot, first, stop)
    label = retac.text.strip() or retac.sound
    return Wanted(order, files, Place(shot.plate_strip, shot.head, "", first, stop, shot.origin), label[:LABEL])


def seconds_of(shot: Any, first: int, stop: int) -> dict[str, float]:
    """Turns scene frames [first, stop) into seconds of the clip.  Raises CannotAsk."""
    if not shot.origin <= first < stop <= shot.origin + shot.frames:
        raise CannotAsk(
            f"the range {first} to {stop - 1} is empty or not within the clip, which stands at "
            f"{shot.origin} to {shot.origin + shot.frames - 1}; move First and Last"
        )
    return {"start": (first - shot.origin) / shot.fps, "end": (stop - shot.origin) / shot.fps}


def recorded(into: bpy.types.Scene, name: str) -> Path:
    """Gives the file of what a sound strip plays.  Raises CannotAsk."""
    try:
        return sound.file_of(into, name, results("recorded"))
    except sound.NoSound as error:
        raise CannotAsk(str(error)) from error


# ---- pictures


def render_of(into: bpy.types.Scene, shot: Any, line: str) -> Wanted:
    """Gives the order of a line's pictures, with its curves where they were changed.  Raises CannotAsk."""
    in_place(into, shot)
    entry = into.retac.jobs.get(line)
    if entry is None:
        raise CannotAsk("it is not known any more what was asked for this line; synthesize it again")
    retac, asked = into.retac, book.asked_of(entry)
    own = {"quality": retac.quality, "train_minutes": retac.minutes or None, "consent": retac.consent.strip()}
    order = {**asked.order, **own, "goal": "dub", "frames": retac.frames or retac.matte}
    files = {name: path for name, path in asked.files.items() if name != "motion"}
    files |= edited_curves(
        into, shot, entry, any(asked.order[name] != own[name] for name in ("quality", "train_minutes"))
    )
    place = Place(entry.strip, shot.head, line, entry.first, entry.stop, entry.origin, retac.mute)
    return Wanted(order, files, place, entry.label)


def edited_curves(into: bpy.types.Scene, shot: Any, entry: Any, always: bool) -> dict[str, Path]:
    """Writes the curves to a file where they are not as they came, or `always`: then what is seen is what is rendered."""
    now, came = scene.read_motion(into, shot, entry.name), book.result(entry, "motion.npz")
    if not always and came.is_file() and same(now, load_motion(came)):
        return {}
    target = results("curves") / f"{entry.name[:8]} {new_job()[:8]}.motion.npz"
    target.parent.mkdir(parents=True, exist_ok=True)
    save_motion(target, now)
    return {"motion": target}


def same(one: Motion, other: Motion) -> bool:
    """Tells whether two motions differ by less than an edit does."""
    return all(
        getattr(one, name).shape == getattr(other, name).shape
        and np.abs(getattr(one, name) - getattr(other, name)).max(initial=0) < least
        for name, least in SAME.items()
    )
