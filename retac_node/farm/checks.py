"""Looks at every row of a batch before any of them runs, and finds all that is wrong with each.  Never starts a solve.

Each clip is read once, however many rows are on it; that reading is the first task of their jobs, and is kept for them.
"""

import dataclasses
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from retac_shared.options import JobSpec
from retac_shared.order import Order

from retac_node import dub, limits, orders, recipe, results
from retac_node.data import Clip
from retac_node.desk import Desk
from retac_node.dub import Dubbed, Wish
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput
from retac_node.farm import record
from retac_node.farm.shots import Asked

UNKNOWN = "0" * 64  # in place of the digest of a file that cannot be read
ANY = limits.Limits(seconds=1e9, frames=10**9, pixels=10**12)  # the stages have bounds of their own
OPTION = re.compile(r"--([a-z-]+)")

Value = TypeVar("Value")


@dataclass(frozen=True)
class Shot:
    """A row that can run."""

    order: Order
    files: dict[str, Path]  # sha256 -> where it lies
    spec: JobSpec
    made: Dubbed  # what it leaves
    recipe: str  # as its record will say

    @property
    def learnt(self) -> tuple[Any, ...]:
        """What the solve and the training rest on: shots that are alike in this share them."""
        return self.spec.ingest, self.spec.track, self.spec.adapt


@dataclass(frozen=True)
class Checked:
    """A row and what was found."""

    row: int
    line: int  # of the shots file
    name: str  # what to call it: the finished file's name, or the clip's
    note: str
    shot: Shot | None  # None where there are faults
    faults: tuple[str, ...]


def check(rows: Sequence[Asked], base: Path, desk: Desk, stages: Mapping[str, Stage], consent: bool) -> list[Checked]:
    """Checks all rows; `base` is the folder of the shots file, in which folders for outputs are made.

    `consent` says whether each row must name one.  Raises OutOfSpace, Cancelled.
    """
    inspector = Inspector(base, desk, stages, consent)
    inspector.read = {os.path.realpath(path) for row in rows if row.wish for path in row.wish.given()}
    return [inspector.checked(row) for row in rows]


class Inspector:
    """Remembers what the rows have in common: files that were read, outputs that are taken."""

    def __init__(self, base: Path, desk: Desk, stages: Mapping[str, Stage], consent: bool) -> None:
        self.base, self.stages, self.consent = base.resolve(), stages, consent
        self.desk = dataclasses.replace(desk, kept=desk.cache())
        self.read: set[str] = set()  # files that some row reads
        self.taken: dict[str, int] = {}  # output without its ending -> the row that makes it
        self.known: dict[Any, Any] = {}  # what was looked up: a value, or the BadInput that it raised

    def checked(self, row: Asked) -> Checked:
        name = Path(row.output or row.clip or f"row {row.row}").name
        shot, faults = None, row.faults
        if row.wish is not None:
            faults += tuple(sentence(fault) for fault in self.faults(row.row, row.wish))
        if row.wish is not None and not faults:
            try:
                shot = self.shot(row.wish)
            except BadInput as error:
                faults = (sentence(error),)
        return Checked(row.row, row.line, name, row.note, shot, faults)

    # ---- one row

    def faults(self, row: int, wish: Wish) -> Iterator[BadInput]:
        """Yields what is wrong, one by one; what cannot be looked at for want of something else is passed over."""
        looks: list[Callable[[], object]] = [
            lambda: check_line(wish),
            lambda: self.check_consent(wish),
            lambda: self.check_output(row, wish),
            lambda: self.check_curves(wish.motion),
            lambda: self.check_options(wish),
            lambda: self.check_sound(wish.audio),
            lambda: self.check_sound(wish.voice),
            lambda: self.check_range(wish),
        ]
        for look in looks:
            try:
                look()
            except BadInput as error:
                yield error

    def shot(self, wish: Wish) -> Shot:
        digests = {path: self.digest(path) for path in wish.given()}
        order = dataclasses.replace(dub.order_of(wish, digests), start=wish.start, end=wish.end)
        slot, clip = None, self.clip(wish.clip)
        if wish.start is not None and wish.end is not None:
            slot = orders.slot_of(wish.start, wish.end, clip)
        spec = dub.named(orders.spec_of(order, slot, float(clip.fps)), wish)
        files = {digest: path.absolute() for path, digest in digests.items()}
        return Shot(order, files, spec, dub.places(wish), record.recipe_of(self.stages, spec, self.models(spec)))

    def check_consent(self, wish: Wish) -> None:
        if self.consent and not wish.consent.strip():
            raise BadInput("there is no consent; name the person's consent in column consent, this batch requires it")

    def check_output(self, row: int, wish: Wish) -> None:
        """Refuses an output that cannot be written, that another row makes, or that some row reads."""
        made = dub.places(wish)
        video = made.video
        results.check_file(self.stand_in(video), dub.ENDINGS)
        own = record.read(video)
        for folder in (made.frames, made.mattes):
            if folder is not None and not record.owns(own, video, folder):
                results.check_fresh_folder(self.stand_in(folder))
        files = [path for path in (video, made.motion, made.report, record.place(video)) if path.exists()]
        if any(os.path.realpath(path) in self.read for path in files):
            raise BadInput(f"the output {video} would write over a file that a row reads; choose another name")
        for target in (video.with_suffix(""), *(folder for folder in (made.frames, made.mattes) if folder)):
            other = self.taken.setdefault(os.path.realpath(target), row)
            if other != row:
                raise BadInput(f"the output {target.name} is what row {other} makes already; choose another name")

    def stand_in(self, target: Path) -> Path:
        """Gives the target, or, in the shots file's folder, the same name in the nearest folder above that is there."""
        folder = target.resolve().parent
        while not folder.exists() and folder.is_relative_to(self.base) and folder != self.base:
            folder = folder.parent
        return folder / target.name

    def check_curves(self, path: Path | None) -> None:
        if path is not None and self.digest(path):
            self.remember(("curves", path), lambda: limits.check_curves(path))

    def check_sound(self, path: Path | None) -> None:
        if path is not None and self.digest(path):
            self.remember(("sound", path), lambda: limits.check_sound(path, ANY))

    def check_options(self, wish: Wish) -> None:
        """Refuses options that do not go together, and an engine or a model file that is not here."""
        if wish.text or wish.audio is not None:
            self.models(orders.spec_of(dub.order_of(wish, dict.fromkeys(wish.given(), UNKNOWN))))

    def check_range(self, wish: Wish) -> None:
        """Reads the clip, and lays the range on it."""
        if (wish.start is None) != (wish.end is None):
            raise BadInput("a range needs both ends; give start and end, or a range such as 3.2-4.1")
        clip = self.clip(wish.clip)
        if wish.start is not None and wish.end is not None:
            orders.slot_of(wish.start, wish.end, clip)

    # ---- what rows share

    def models(self, spec: JobSpec) -> Mapping[str, str]:
        """Gives the sha256 of each model file that a shot rests on; they differ by the voice engine alone."""
        return self.remember(
            ("models", spec.voice.engine),
            lambda: recipe.job(self.stages, spec, dub.WANTED, {}, "cpu").weight_hashes,
        )

    def clip(self, path: Path) -> Clip:
        """Gives the facts of a clip, without its sound."""

        def look() -> Clip:
            digest = self.digest(path)
            spec = orders.spec_of(Order(digest, "solve"))
            clip = self.desk.look(spec, {digest: path.absolute()}, self.stages)
            return dataclasses.replace(clip, audio=np.zeros(0, np.float32))

        return self.remember(("clip", path), look)

    def digest(self, path: Path) -> str:
        return self.remember(("digest", path), lambda: recipe.digest(path))

    def remember(self, key: Any, look: Callable[[], Value]) -> Value:
        """Looks once.  Raises the same BadInput each time."""
        if key not in self.known:
            try:
                self.known[key] = look()
            except BadInput as error:
                self.known[key] = error
        found = self.known[key]
        if isinstance(found, BadInput):
            raise found
        return found  # type: ignore[no-any-return]


def check_line(wish: Wish) -> None:
    if not wish.text and wish.audio is None:
        raise BadInput("there is no line to speak; give its words in column text, or a recording of it in column audio")


def sentence(fault: BadInput | str) -> str:
    """Words an option of the command line as the column that it is here."""
    return OPTION.sub(lambda match: "column " + match[1].replace("-", "_"), str(fault))
