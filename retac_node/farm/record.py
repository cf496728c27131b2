"""The record that lies beside a finished shot: what it was made from, what was measured, and which bytes belong to it.

By it a batch tells a shot that is finished from one that is not; a file that merely exists proves nothing.
"""

import dataclasses
import glob
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from retac_shared.options import JobSpec

from retac_node import recipe, results
from retac_node.dub import WANTED, Dubbed
from retac_node.engine.plan import order
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput


@dataclasses.dataclass(frozen=True)
class Record:
    recipe: str  # sha256 of every option, file, model file and stage version that the shot rests on
    files: dict[str, str]  # path, as seen from the record -> sha256
    figures: dict[str, float | None]  # what was measured; None where it could not be
    seconds: dict[str, float]  # that each stage took, of those that ran
    warnings: tuple[str, ...]
    picture: str = ""  # a small JPEG of the result, base64; "" where there is none


def recipe_of(stages: Mapping[str, Stage], spec: JobSpec, models: Mapping[str, str]) -> str:
    """Gives the sha256 of all that a shot is made from; `models` is the sha256 of each model file by its name."""
    parts = {name: (stages[name].version, getattr(spec, name)) for name in order(stages, WANTED)}
    return hashlib.sha256(msgspec.json.encode((parts, models), order="deterministic")).hexdigest()


def place(video: Path) -> Path:
    return video.with_suffix(".shot.json")


def files_of(made: Dubbed) -> Iterator[Path]:
    """Yields each file of a finished shot, those in folders too."""
    for field in dataclasses.fields(made):
        path = getattr(made, field.name)
        if path is not None and path.is_dir():
            yield from sorted(item for item in path.iterdir() if item.is_file())
        elif path is not None:
            yield path


def write(made: Dubbed, recipe_: str, told: Mapping[str, Any]) -> None:
    """Writes the record of what has just been put in its place; `told` has Record's other fields."""
    target = place(made.video)
    files = {os.path.relpath(path, target.parent): recipe.digest(path) for path in files_of(made)}
    with results.aside(target) as aside:
        aside.write_bytes(msgspec.json.format(msgspec.json.encode(Record(recipe_, files, **told)), indent=1))


def read(video: Path) -> Record | None:
    """Gives the record of a shot, or None where there is none that can be read."""
    try:
        return msgspec.json.decode(place(video).read_bytes(), type=Record)
    except (OSError, msgspec.MsgspecError):
        return None


def sweep(made: Dubbed) -> None:
    """Removes what a killed worker has left aside of a shot: the folders that results.aside makes beside its files."""
    for path in (made.video, made.motion, made.report, place(made.video), made.frames, made.mattes):
        if path is not None:
            for left in path.parent.glob(f".{glob.escape(path.name)}-????????"):
                shutil.rmtree(left, ignore_errors=True)


def owns(record: Record | None, video: Path, folder: Path) -> bool:
    """Tells whether a folder is there and holds nothing but what the record lists."""
    if record is None or not folder.is_dir():
        return False
    return all(os.path.relpath(path, video.parent) in record.files for path in folder.iterdir())


def finished(made: Dubbed, recipe_: str) -> Record | None:
    """Gives the record of a shot that was made from just this and whose files are all here, byte for byte; else None."""
    record = read(made.video)
    if record is None or record.recipe != recipe_:
        return None
    folder = made.video.parent
    needed = {os.path.relpath(path, folder) for path in (made.video, made.motion, made.report)}
    try:
        whole = all(recipe.digest(folder / name) == sha256 for name, sha256 in record.files.items())
    except BadInput:  # it is gone
        return None
    return record if whole and needed <= set(record.files) else None
