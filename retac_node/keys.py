"""The node's key pair and the list of clients that it lets in, as files.  Never opens a socket.

    node.key               the node's own pair; readable by its user alone
    allowed/<name>.key     a client's public key and its role: put there to let it in, removed to lock it out

A file is JSON.  The client's own file, with its secret and the node's public key, is made by `retac keys new` and
belongs on the client's machine.  Keys are those of CurveZMQ (https://rfc.zeromq.org/spec/26), as 40 characters of Z85.
"""

import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zmq import curve_keypair
from zmq.utils import z85

from retac_node import results
from retac_node.errors import BadInput

Role = Literal["submit", "admin"]  # its own jobs; everybody's
ROLES: dict[str, Role] = {"submit": "submit", "admin": "admin"}

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
Z85 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
RESERVED = "local"  # the owner of jobs on a node without keys
FRESH = 1.0  # seconds between two looks at the list
PRIVATE = 0o600


@dataclass(frozen=True)
class Client:
    name: str
    role: Role


@dataclass(frozen=True)
class Pair:
    public: str  # Z85
    secret: str


class Keys:
    """The list of clients as it is now: a key that is added or removed counts within a second."""

    def __init__(self, folder: Path) -> None:
        self.allowed = folder / "allowed"
        self.clients: dict[str, Client] = {}  # by public key
        self.seen: object = None  # what the folder looked like when it was read
        self.looked = float("-inf")

    def look_up(self, public: str) -> Client | None:
        """Gives the client whose public key (Z85) this is; None for one that is not on the list."""
        self.refresh()
        return self.clients.get(public)

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self.looked < FRESH:
            return
        self.looked = now
        if (look := picture(self.allowed)) != self.seen:
            self.seen = look
            self.clients = read_clients(self.allowed)


def picture(folder: Path) -> object:
    """Gives what changes when a file of the folder does."""
    try:
        files = [(entry.name, entry.stat()) for entry in os.scandir(folder)]
    except OSError:
        return None
    return sorted((name, stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in files)


def read_clients(folder: Path) -> dict[str, Client]:
    """Reads the list.  A file that is not a client's is passed over, so nobody gets in by it."""
    clients: dict[str, Client] = {}
    for path in sorted(folder.glob("*.key")):
        with suppress(BadInput):
            held = read(path, ("public", "role"))
            role = ROLES.get(held["role"])
            if NAME.fullmatch(path.stem) and role is not None:
                clients.setdefault(held["public"], Client(path.stem, role))
    return clients


# ---- the question that libzmq asks for each connection


def zap_answer(frames: Sequence[bytes], keys: Keys) -> list[bytes]:
    """Gives the reply to a request of the ZeroMQ authentication protocol (https://rfc.zeromq.org/spec/27).

    Only CURVE with a key on the list is let in.  The User-Id is that key in Z85: who it is can be looked up anew with
    each message, so that a living connection ends with its key.
    """
    request = frames[1] if len(frames) > 1 else b""
    if len(frames) == 7 and frames[0] == b"1.0" and frames[5] == b"CURVE" and len(frames[6]) == 32:
        public: bytes = z85.encode(frames[6])
        if keys.look_up(public.decode()) is not None:
            return [b"1.0", request, b"200", b"OK", public, b""]
    return [b"1.0", request, b"400", b"not on the list", b"", b""]


# ---- making and reading key files


def node_pair(folder: Path) -> Pair:
    """Gives the node's own pair, made at the first call.  Raises BadInput where others could read it."""
    path = folder / "node.key"
    if not path.exists():
        pair = new_pair()
        make_private(folder)
        write(path, {"public": pair.public, "secret": pair.secret}, PRIVATE)
    check_private(path)
    held = read(path, ("public", "secret"))
    return Pair(held["public"], held["secret"])


def new_client(folder: Path, name: str, role: Role, target: Path) -> Path:
    """Lets a new client in and writes its key file, which nobody else ever holds.  Raises BadInput."""
    if not NAME.fullmatch(name) or name == RESERVED:
        raise BadInput(f"'{name}' cannot be a client's name; use letters, digits, dots, dashes and underscores")
    listed = folder / "allowed" / f"{name}.key"
    if listed.exists():
        raise BadInput(f"there is a client '{name}' already; choose another name, or remove {listed} first")
    if target.exists():
        raise BadInput(f"{target} is there already; choose another place with -o")
    results.check_parent(target)
    node, pair = node_pair(folder), new_pair()
    listed.parent.mkdir(mode=0o700, exist_ok=True)
    write(target, {"name": name, "public": pair.public, "secret": pair.secret, "node": node.public}, PRIVATE)
    write(listed, {"role": role, "public": pair.public}, PRIVATE)
    return target


def new_pair() -> Pair:
    public, secret = curve_keypair()
    return Pair(public.decode(), secret.decode())


def listed(folder: Path) -> list[Client]:
    return sorted(read_clients(folder / "allowed").values(), key=lambda client: client.name)


def remove(folder: Path, name: str) -> None:
    """Locks a client out.  Raises BadInput where there is none of that name."""
    path = folder / "allowed" / f"{name}.key"
    if not NAME.fullmatch(name) or not path.exists():
        raise BadInput(f"there is no client '{name}'; see: retac keys list")
    path.unlink()


def write(path: Path, held: dict[str, Any], mode: int) -> None:
    """Writes a key file aside, never readable by more than `mode` says, and renames it."""
    with results.aside(path) as aside:
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with open(file, "w", encoding="utf-8") as opened:
            json.dump(held, opened, indent=1)


def read(path: Path, wanted: tuple[str, ...]) -> dict[str, str]:
    """Gives the fields of a key file, all texts, its keys well-formed.  Raises BadInput."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        found = {name: held[name] for name in wanted}
        wrong = [name for name, value in found.items() if not isinstance(value, str)]
        wrong += [name for name in ("public", "secret") if name in found and not Z85.fullmatch(str(found[name]))]
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        raise BadInput(f"{path} is not a key file; make one with: retac keys new NAME") from None
    if wrong:
        raise BadInput(f"{path} has no good {wrong[0]}; make a new key with: retac keys new NAME")
    return found


def make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"the folder {folder} cannot be made ({error.strerror}); choose another for the keys") from error


def check_private(path: Path) -> None:
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise BadInput(f"{path} can be read by others; run: chmod 600 {path}")
