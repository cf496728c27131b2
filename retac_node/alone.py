"""Keeps a folder to one process: a node's table of jobs and files has one writer.  The kernel undoes it when that ends."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retac_node.errors import BadInput


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Makes the folder, readable by its user only, and holds it.  Raises BadInput where another process does."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        file = open(folder / "lock", "w")  # noqa: SIM115  it stays open
    except OSError as error:
        raise BadInput(f"{folder} cannot be used ({error.strerror}); give the node another home") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadInput(f"another node works in {folder}; stop it, or give this one another home") from None
        yield
