"""Where a node is, and who one is to it: its address and the client's key file.  Never opens a socket."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

ADDRESS = re.compile(r"tcp://(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}")
Z85 = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")


class BadAddress(ValueError):
    """The node's address or the client's key file cannot be used; the message says why."""


@dataclass(frozen=True)
class Key:
    public: str  # Z85, this client's
    secret: str
    node: str  # the node's public key


def read_key(path: Path) -> Key:
    """Reads the file that `retac keys new` made.  Raises BadAddress."""
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise BadAddress(f"{path} can be read by others; run: chmod 600 {path}")
        held = json.loads(path.read_text(encoding="utf-8"))
        key = Key(held["public"], held["secret"], held["node"])
        if not all(Z85.fullmatch(value) for value in (key.public, key.secret, key.node)):
            raise BadAddress(f"{path} holds a key that is not 40 characters long; have a new one made")
    except FileNotFoundError:
        raise BadAddress(f"the key file {path} does not exist; check the path") from None
    except (OSError, LookupError, TypeError, RecursionError) as error:
        raise BadAddress(f"{path} cannot be read as a key file: {error}; have a new one made") from None
    except ValueError as error:
        if isinstance(error, BadAddress):
            raise
        raise BadAddress(f"{path} is not a key file; it is made with: retac keys new NAME") from None
    return key


def checked_address(address: str) -> str:
    """Gives "tcp://host:port" for that, or for "host:port".  Raises BadAddress."""
    whole = address if "://" in address else f"tcp://{address}"
    if not ADDRESS.fullmatch(whole):
        raise BadAddress(f"'{address}' is not the address of a node; give tcp://HOST:PORT")
    return whole
