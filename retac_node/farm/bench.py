"""A batch's worker at one shot: makes it as `retac dub` would, puts it where it belongs, and leaves its record there.

Runs in a worker process.  Never decides which shot comes next, or whether one is tried again.
"""

import dataclasses
import math
import shutil
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from retac_node import dub, limits, recipe
from retac_node.data import Report
from retac_node.dub import Dubbed
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput
from retac_node.farm import record
from retac_node.pipe import Shoot
from retac_node.stages import STAGES
from retac_node.worker import Bench, Boss, Craft, Place


class ShotBench(Bench):
    """One shot at work."""

    def __init__(self, start: Shoot, boss: Boss, place: Place) -> None:
        super().__init__(start, boss, place)
        self.shoot = start
        self.sources = {sha256: Path(path) for sha256, path in start.files.items()}  # sentences say their own names

    def work(self) -> None:
        """Makes the shot.  Raises BadInput, OutOfSpace, Refused, Cancelled."""
        self.check()
        shoot, made = self.shoot, places(self.shoot)
        spec = self.desk.spec(shoot.order, self.sources, self.craft.stages)
        report = dataclasses.replace(spec.report, video_name=made.video.name)
        spec = dataclasses.replace(spec, report=report)
        found = self.desk.run(spec, self.sources, dub.WANTED, self.craft.stages)
        clear(made)
        made.video.parent.mkdir(parents=True, exist_ok=True)
        seconds, warnings = self.desk.seconds(), self.desk.warnings()
        dub.publish(found["encode"], found["motion"], dub.page(found["report"], seconds, warnings), made)
        told = {"seconds": seconds, "warnings": tuple(warnings), **measured(found["report"])}
        record.write(made, shoot.recipe, told)

    def check(self) -> None:
        """Refuses files that are not those that the batch was checked with."""
        for sha256, path in self.sources.items():
            if recipe.digest(path) != sha256:
                raise BadInput(f"{path} was changed after the batch had begun; run the batch again with --resume")


def places(shoot: Shoot) -> Dubbed:
    frames, mattes = (Path(folder) if folder else None for folder in (shoot.frames, shoot.mattes))
    return dub.beside(Path(shoot.video), frames, mattes)


def clear(made: Dubbed) -> None:
    """Removes what earlier makings of the same shot have left in the way: new frames go into an empty folder."""
    record.sweep(made)
    before = record.read(made.video)
    for folder in (made.frames, made.mattes):
        if folder is not None and record.owns(before, made.video, folder):
            shutil.rmtree(folder)


def measured(report: Report) -> Mapping[str, Any]:
    figures = {name: None if math.isnan(value) else value for name, value in report.figures.items()}
    picture = (Path(report.folder) / report.picture).read_bytes() if report.picture else b""
    return {"figures": figures, "picture": b64encode(picture).decode()}


def craft(stages: Mapping[str, Stage]) -> Craft:
    return Craft(stages, {}, limits.check_clip, ShotBench)  # type: ignore[arg-type]


CRAFT = craft(STAGES)
