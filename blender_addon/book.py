"""The jobs as the .blend keeps them: written when they are asked for, found again when the file is opened.

Never talks to a node; inbox.py takes from here what is to be followed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bpy

from .errands import Asked

KEPT = 200  # jobs of a scene; the oldest that are over are dropped


@dataclass(frozen=True)
class Place:
    """Where in a scene a job belongs."""

    strip: str = ""  # name of the plate's strip
    head: bpy.types.Object | None = None  # None: there is none before the job has made it
    line: str = ""  # number of the job whose line a render shows
    first: int = 0  # scene frame of the first frame that is made
    stop: int = 0  # scene frame after the replaced range; the same as `first`: the line alone
    origin: int = 0  # scene frame on which the clip's frame 0 stands
    mute: bool = False


def scenes() -> Iterator[bpy.types.Scene]:
    """Gives the scenes that can be written."""
    return (scene for scene in bpy.data.scenes if scene.library is None)


def find(job: str) -> tuple[bpy.types.Scene, Any] | None:
    """Gives the scene and the entry of a job."""
    for scene in scenes():
        if (entry := scene.retac.jobs.get(job)) is not None:
            return scene, entry
    return None


def write(scene: bpy.types.Scene, asked: Asked, place: Place, address: str) -> Any:
    """Writes a new job down."""
    jobs = scene.retac.jobs
    for entry in [entry.name for entry in jobs if entry.state != "open"][: max(0, len(jobs) + 1 - KEPT)]:
        jobs.remove(jobs.find(entry))
    entry = jobs.add()
    entry.name, entry.address, entry.label = asked.job, address, asked.label
    entry.order, entry.goal = json.dumps(dict(asked.order)), asked.order["goal"]
    entry.files = json.dumps({name: str(path) for name, path in asked.files.items()})
    entry.folder = str(asked.folder)
    for name in ("strip", "head", "line", "first", "stop", "origin", "mute"):
        setattr(entry, name, getattr(place, name))
    scene.retac.job = len(jobs) - 1
    return entry


def asked_of(entry: Any) -> Asked:
    """Reads a job as it was asked for.  Raises ValueError where the entry was damaged."""
    order, files = json.loads(entry.order), json.loads(entry.files)
    if not isinstance(order, Mapping) or not isinstance(files, Mapping):
        raise ValueError(f"job {entry.name} is not written as it should be; forget it and ask anew")
    paths = {str(name): Path(path) for name, path in files.items()}
    return Asked(entry.name, order, paths, Path(entry.folder), entry.label, entry.submitted)


def order_of(entry: Any) -> dict[str, Any]:
    return dict(json.loads(entry.order))


def to_follow(address: str) -> Iterator[Asked]:
    """Gives the jobs of that node whose end was not seen yet."""
    for scene in scenes():
        for entry in scene.retac.jobs:
            if entry.state == "open" and entry.address == address:
                yield asked_of(entry)


def result(entry: Any, name: str) -> Path:
    """Gives where a part of a job's result is."""
    return Path(entry.folder) / name


def forget(scene: bpy.types.Scene, job: str) -> None:
    jobs = scene.retac.jobs
    jobs.remove(jobs.find(job))
    scene.retac.job = min(scene.retac.job, len(jobs) - 1)
