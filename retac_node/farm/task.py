"""`retac farm task`: what a step of a farm's job runs on a host.  Never knows which farm, and asks nobody anything.

The job is a file (job.json, an Order); where its files lie on this host is said beside it, and their sha256 must agree.
"""

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from retac_shared.order import Order

from retac_node import dub, recipe, results
from retac_node.desk import Desk
from retac_node.engine.plan import WHOLE, Share
from retac_node.errors import BadInput
from retac_node.farm import steps

FILES = ("clip", "audio", "voice", "motion")  # of an Order
LARGEST = 1 << 20  # bytes of a job file


@dataclass(frozen=True)
class Part:
    """What the command line asks for."""

    step: str
    job: Path  # the Order, as JSON
    output: Path  # the finished video
    clip: Path
    audio: Path | None = None
    voice: Path | None = None
    motion: Path | None = None
    frames: Path | None = None  # folder of the PNG sequence
    mattes: Path | None = None  # folder of its mattes
    line: str = ""  # another one than the job's
    share: Share = WHOLE


@dataclass(frozen=True)
class Nothing:
    """What a step leaves that only fills the cache."""


def make(part: Part, desk: Desk) -> dub.Dubbed | Nothing:
    """Makes a step's part of the job in the cache; the last step puts the shot where it was asked for.

    Raises BadInput, OutOfSpace, Refused, Cancelled.
    """
    step, made = steps.find(part.step), dub.beside(part.output, part.frames, part.mattes)
    order = reworded(read(part.job), part.line)
    sources = dict(files(order, part))
    results.check_file(made.video, dub.ENDINGS, sources.values())
    spec = desk.spec(order, sources)
    named = dataclasses.replace(spec, report=dataclasses.replace(spec.report, video_name=part.output.name))
    values = desk.run(named, sources, step.wanted, share=part.share)
    if step is not steps.STEPS[-1]:
        return Nothing()
    put(values, made, dub.page(values["report"], desk.spent(), desk.warnings()))
    return made


def read(path: Path) -> Order:
    """Reads a saved job.  Raises BadInput."""
    try:
        with open(path, "rb") as file:
            return msgspec.json.decode(file.read(LARGEST), type=Order)
    except OSError as error:
        raise BadInput(f"the job {path} cannot be read ({error.strerror}); give the job.json of a bundle") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadInput(f"the job {path} cannot be used ({error}); give the job.json of a bundle") from None


def reworded(order: Order, line: str) -> Order:
    try:
        return dataclasses.replace(order, text=line) if line else order
    except ValueError as error:
        raise BadInput(str(error)) from error


def files(order: Order, part: Part) -> Iterator[tuple[str, Path]]:
    """Gives sha256 and place of each of the job's files.  Raises BadInput for one that is missing or another."""
    for name in FILES:
        sha256, path = getattr(order, name), getattr(part, name)
        if not sha256:
            continue
        if path is None:
            raise BadInput(f"the job has a file for --{name} and none is given here; give the one it was made with")
        if recipe.digest(path) != sha256:
            raise BadInput(f"{path} is not the file that the job was made with; bring that one here, or make a new job")
        yield sha256, path.absolute()


def put(values: Mapping[str, Any], made: dub.Dubbed, page: str) -> None:
    """Publishes the shot, over what an earlier run of the same step put there."""
    finished = Path(values["encode"].folder)
    pictures = [(finished / name, folder) for name in ("frames", "mattes") if (folder := getattr(made, name))]
    for source, target in pictures:
        check_same(source, target)
    with ExitStack() as stack:
        for source, target in pictures:
            shutil.copytree(source, stack.enter_context(results.asides(target)), dirs_exist_ok=True)
    dub.publish(values["encode"], values["motion"], page, dataclasses.replace(made, frames=None, mattes=None))


def check_same(source: Path, target: Path) -> None:
    """Raises BadInput where the folder has files that would lie between the new ones."""
    results.check_folder(target)
    if target.is_dir() and (
        others := {path.name for path in target.iterdir()} - {path.name for path in source.iterdir()}
    ):
        raise BadInput(f"the folder {target} has other files in it, such as {min(others)}; choose another, or empty it")
