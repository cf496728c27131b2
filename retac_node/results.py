"""Puts finished files where the user asked for them: written aside, then renamed.  Never leaves half of one."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from retac_node.errors import BadInput, OutOfSpace


@contextmanager
def aside(target: Path) -> Iterator[Path]:
    """Gives a path on the target's disk to write to; renames it to the target at the end if nothing was raised.

    The target may be a file, or a folder that is empty or not there.  Raises BadInput, OutOfSpace.
    """
    with scratch(target) as folder:
        yield folder / target.name
        os.replace(folder / target.name, target)


@contextmanager
def asides(target: Path) -> Iterator[Path]:
    """Gives an empty folder to write files to; moves them all into the target folder at the end, over older ones."""
    with scratch(target) as folder:
        yield folder
        target.mkdir(exist_ok=True)
        for path in sorted(folder.iterdir()):
            os.replace(path, target / path.name)


@contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Gives a folder beside the target that is gone at the end, and words the errors of a disk."""
    try:
        with tempfile.TemporaryDirectory(dir=target.resolve().parent, prefix=f".{target.name}-") as folder:
            yield Path(folder)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise OutOfSpace(
                f"the disk of {target} is full; free some space and run the same again: the work is kept"
            ) from error
        raise BadInput(f"{target} cannot be written ({error.strerror}); choose another place") from error


def check_file(target: Path, endings: tuple[str, ...], sources: Iterable[Path] = ()) -> None:
    """Raises BadInput now for an output that could not be written at the end, or that is one of the sources."""
    if target.suffix.lower() not in endings:
        raise BadInput(f"the output {target} must end in {' or '.join(endings)}; change its name")
    if target.is_dir():
        raise BadInput(f"the output {target} is a folder; give the name of a file")
    check_parent(target)
    if any(target.exists() and source.exists() and target.samefile(source) for source in sources):
        raise BadInput(f"the output {target} is a file that is read; choose another name")


def check_folder(target: Path) -> None:
    """Raises BadInput now for a folder that could not be written at the end."""
    if target.exists() and not target.is_dir():
        raise BadInput(f"the output {target} is a file; give the name of a folder")
    check_parent(target / "file" if target.is_dir() else target)


def check_fresh_folder(target: Path) -> None:
    """The same, for a folder that must be empty or not there."""
    check_folder(target)
    if target.is_dir() and any(target.iterdir()):
        raise BadInput(f"the folder {target} is not empty; choose another, or empty it first")


def check_parent(target: Path) -> None:
    parent = target.resolve().parent
    if not parent.is_dir():
        raise BadInput(f"the folder {parent} for the output does not exist; make it or choose another place")
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise BadInput(f"the folder {parent} cannot be written ({error.strerror}); choose another place") from None
