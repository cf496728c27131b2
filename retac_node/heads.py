"""Which head model the stages work with, and where its file lies: the project's own, or one that the settings name.

A user's model is turned into a head file once and kept under the home, named by what it was made from.  Never reads what
is in a head file.
"""

import functools
import hashlib
import os
from dataclasses import fields
from pathlib import Path

import numpy as np

from retac_node import config
from retac_node.errors import BadInput

NAME = "head.npz"  # in the table of stages, whichever head it is
DEFAULT = Path(__file__).parent / "weights" / NAME
HALVES = ("identity", "expression", "albedo")  # kept in half precision, as in the default file
VERSION = 1  # raise it when the same files make another head


def path() -> Path:
    """Gives the head's file; makes it when the settings name a model that was not used before, in about a minute.

    Raises BadInput where the model's files are missing or not what they should be.
    """
    settings = config.load()
    if settings.head is None:
        return DEFAULT
    from retac_node.models.dropins import FORMATS  # the heads' reader asks here where the file is

    choice = settings.head
    if not choice.folder.is_dir():
        raise BadInput(f"the settings name the head model in {choice.folder}, which is no folder; give the right one")
    found = FORMATS[choice.kind].files(choice.folder)
    stamps = tuple((file, file.stat().st_size, file.stat().st_mtime_ns) for file in found if file.is_file())
    target = settings.home / "heads" / f"{fingerprint(choice.kind, stamps)}.npz"
    if not target.exists():
        make(choice, target)
    return target


@functools.cache
def fingerprint(kind: str, stamps: tuple[tuple[Path, int, int], ...]) -> str:
    """Gives the sha256 of what a head is made from: its files and the default head; once per process and state."""
    whole = hashlib.sha256(f"{kind} {VERSION}".encode())
    for file in (*(file for file, _, _ in stamps), DEFAULT):
        with file.open("rb") as stream:
            whole.update(f"{file.name} {hashlib.file_digest(stream, 'sha256').hexdigest()}\n".encode())
    return whole.hexdigest()


def make(choice: config.HeadChoice, target: Path) -> None:
    """Reads the model, turns it into a head and writes that aside; two processes may do it at once."""
    from retac_node.models.dropins import FORMATS
    from retac_node.models.dropins.convert import convert
    from retac_node.models.head import load_head

    head = convert(FORMATS[choice.kind].read(choice.folder), load_head(DEFAULT))
    arrays = {field.name: np.asarray(getattr(head, field.name)) for field in fields(head)}
    aside = target.with_name(f"{target.name}.{os.getpid()}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with aside.open("wb") as file:
        np.savez(file, allow_pickle=False, **{n: a.astype(np.float16) if n in HALVES else a for n, a in arrays.items()})
    aside.replace(target)
