"""Puts what jobs have made into their scene, in steps short enough for the interface, one undo step for each job.

The only caller of scene.py outside of operators.  Never talks to a node.
"""

import re
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import bpy

from . import book, scene
from .errands import Errand

NUMBER = re.compile(r"(\d+)\.jpg")
OURS = "RETAC_OT_"
SOLVED = ("track.npz", "mesh.npz", "texture.png", "words.json")  # the last is there where the node has ears

Steps = Iterator[Any]


class Unplaceable(Exception):
    """The result cannot be put into the scene as it is; the message says what to do."""


building: tuple[Errand, Steps] | None = None


# ---- a job at a time


def busy() -> bool:
    return building is not None


def at_leisure() -> bool:
    """Tells whether the artist is not in the middle of a drag, a knife cut or the like."""
    if bpy.app.background:
        return True
    manager = bpy.context.window_manager
    under_way = [item for window in manager.windows for item in getattr(window, "modal_operators", ())]
    return all(item.bl_idname.startswith(OURS) for item in under_way) and not bpy.app.is_job_running("RENDER")


def begin(errand: Errand) -> None:
    """Takes up a job that is done; `go_on` does it."""
    global building
    found = book.find(errand.asked.job)
    if found is not None:
        building = errand, PLACING[errand.goal](*found, errand.here)


def go_on(seconds: float) -> None:
    """Builds on for about that long."""
    global building
    if building is None:
        return
    errand, steps = building
    end = time.perf_counter() + seconds
    try:
        while time.perf_counter() < end:
            next(steps)
    except StopIteration:
        building = None
        placed(errand)
    except Unplaceable as error:
        building = None
        unplaced(errand, str(error))
    except Exception as error:
        traceback.print_exc()
        building = None
        unplaced(errand, f"the result could not be placed ({error}); it is in {errand.asked.folder}")


def placed(errand: Errand) -> None:
    found = book.find(errand.asked.job)
    if found is not None:
        found[1].state = "placed"
    remember(f"Re-TTAC: {MADE[errand.goal]}")


def unplaced(errand: Errand, sentence: str) -> None:
    errand.error = sentence
    if (found := book.find(errand.asked.job)) is not None:
        found[1].state = "failed"


def remember(message: str) -> None:
    """Makes one undo step of what was done since the last."""
    windows = bpy.context.window_manager.windows
    if bpy.app.background or not windows:
        return
    with bpy.context.temp_override(window=windows[0]):
        bpy.ops.ed.undo_push(message=message)


def stop() -> None:
    global building
    building = None


def start_again() -> None:
    """What was half built is gone: begins it anew."""
    if building is not None:
        errand = building[0]
        stop()
        begin(errand)


# ---- each goal


def place_head(into: bpy.types.Scene, entry: Any, here: dict[str, Path]) -> Steps:
    plate = sure(scene.plate_named(into, entry.strip))
    for shot in [shot for shot in scene.shots(into) if shot.plate_strip == plate.strip]:
        yield from scene.following(into, shot)
    data = yield from aside(lambda: scene.read_shot(*(here.get(name) for name in SOLVED)))
    shot = yield from scene.building(into, plate, data)
    into.retac.head = entry.head = shot.head


def place_line(into: bpy.types.Scene, entry: Any, here: dict[str, Path]) -> Steps:
    shot = yield from scene.following(into, shot_of(entry))
    made = here["motion.npz"], here["timing.json"], here["speech.wav"]
    first = entry.first + shot.origin - entry.origin  # the plate may have been moved meanwhile
    yield from scene.adding_line(into, shot, entry.name, *made, first, label=entry.label)
    into.retac.line = entry.name


def place_render(into: bpy.types.Scene, entry: Any, here: dict[str, Path]) -> Steps:
    shot = yield from scene.following(into, shot_of(entry))
    pictures, line = frames_of(here, "frames/"), shot.line(entry.line)
    by = shot.origin - entry.origin  # the plate may have been moved meanwhile
    first, last = (line.first, line.last) if line else (entry.first + by, entry.stop + by)
    replaced = (first, last) if entry.stop > entry.first else None
    yield from scene.placing_result(
        into,
        shot,
        entry.line,
        pictures or here["video.mp4"],
        here["video.mp4"] if pictures else None,  # its sound
        shot.origin if replaced else first,
        matte=frames_of(here, "mattes/"),
        mute_original=entry.mute,
        replaced=replaced,
    )


PLACING: dict[str, Callable[..., Steps]] = {"solve": place_head, "line": place_line, "dub": place_render}
MADE = {"solve": "Solved Head", "line": "New Line", "dub": "Rendered Shot"}


def show(job: str, pictures: list[Path]) -> None:
    """Shows frames of a job that is not finished yet."""
    found = book.find(job)
    if found is None or found[1].state == "placed" or isinstance(shot := shot_in(found[1]), str):
        return  # what came late would lie above the finished shot
    for picture in pictures:
        if match := NUMBER.fullmatch(picture.name):
            scene.show_preview_frame(found[0], shot, found[1].line, int(match[1]), picture)


# ---- parts of it


def aside(work: Callable[[], Any]) -> Steps:
    """Has a thread do it, without bpy; gives what it gives, and raises what it raises."""
    held: list[Any] = []

    def run() -> None:
        try:
            held.append(work())
        except Exception as error:
            held.append(error)

    thread = Thread(target=run, name="retac-read")
    thread.start()
    while thread.is_alive():
        thread.join(0.002)
        yield
    if isinstance(held[0], Exception):
        raise held[0]
    return held[0]


def sure(thing: Any) -> Any:
    """Gives the thing.  Raises Unplaceable with the sentence that stands in its place."""
    if isinstance(thing, str):
        raise Unplaceable(thing)
    return thing


def shot_in(entry: Any) -> Any:
    if entry.head is None:
        return "the shot's head is gone; solve the clip again, then place this result again"
    return scene.shot_of(entry.head)


def shot_of(entry: Any) -> Any:
    return sure(shot_in(entry))


def frames_of(here: dict[str, Path], folder: str) -> Path | None:
    """Gives the folder of a picture sequence, None where there is none."""
    names = [name for name in here if name.startswith(folder)]
    return here[names[0]].parent if names else None
