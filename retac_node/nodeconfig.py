"""The settings of a render node, read from node.yaml: every name, its default, and what is wrong with a value.

Never opens a socket or makes a folder.
"""

import dataclasses
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from retac_node import config
from retac_node.errors import BadInput

DEVICE = re.compile(r"cpu|cuda:\d{1,2}")
ADDRESS = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:.]+\]|[\w.-]+|\*):(?P<port>\d{1,5}|\*)")

PLACE = re.compile(r"auto|(\[[0-9a-fA-F:.]+\]|[\w.-]+):\d{1,5}")


@dataclass(frozen=True)
class NodeConfig:
    home: Path  # as in the user's own settings: model files, work, and `node`, which is the node's own
    bind: str = "tcp://127.0.0.1:7420"
    devices: tuple[str, ...] = ("cpu",)  # a worker each; one may be named more than once
    executor: str = "local"  # or "ray": who makes the tasks of a worker's job
    ray_address: str = ""  # of the Ray cluster, HOST:PORT; "": one on this machine, which the worker starts
    keys: Path | None = None  # of the node and its clients; None: this machine's own users, without keys
    require_consent: bool = False
    file_limit_bytes: int = 4 * 10**9
    blob_limit_bytes: int = 50 * 10**9
    queue_limit: int = 1000  # jobs that have not ended
    queue_limit_per_client: int = 200
    session_limit: int = 256
    watch_limit: int = 256  # of a session
    upload_limit: int = 16  # of a session, at once
    keep_jobs: int = 10_000  # ended ones; the oldest are forgotten
    clip_limit_seconds: float = 600.0
    clip_limit_frames: int = 36_000
    clip_limit_pixels: int = 8192 * 4320
    memory_limit_bytes: int = 0  # address space of a worker; 0: none

    @property
    def folder(self) -> Path:
        """The node's own files."""
        return self.home / "node"

    @property
    def on_loopback(self) -> bool:
        return is_loopback(host_of(self.bind))


def load(file: Path | None = None) -> NodeConfig:
    """Reads node.yaml; without one all is as by default.  Raises BadInput with one sentence."""
    settings = read(file) if file is not None else {}
    home = Path(settings.pop("home", "") or config.load().home).expanduser().absolute()
    if "keys" in settings:
        settings["keys"] = Path(settings["keys"]).expanduser().absolute()
    if "devices" in settings:
        settings["devices"] = tuple(settings["devices"])
    made = NodeConfig(home, **settings)
    if made.executor == "ray":
        check_ray(made, file)
    if made.keys is None and not made.on_loopback:
        return dataclasses.replace(made, keys=config.user_folder("config", os.environ) / "keys")
    return made


def check_ray(made: NodeConfig, file: Path | None) -> None:
    """Refuses what does not go together with Ray.  Raises BadInput."""
    if len(made.devices) > 1 and not made.ray_address:
        raise BadInput(
            f"settings file {file}: each of the {len(made.devices)} devices would start a Ray cluster of its own; name one "
            "device, or the cluster that they share with ray_address"
        )
    if made.memory_limit_bytes:
        raise BadInput(f"settings file {file}: memory_limit_bytes does not bind Ray's workers; leave it out")


def read(file: Path) -> dict[str, Any]:
    """Gives the checked settings of a file."""
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"settings file {file} does not exist; give another path or leave it out") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"settings file {file} cannot be read: {' '.join(str(error).split())}") from None
    if not isinstance(settings if settings is not None else {}, dict):
        raise BadInput(f"settings file {file} is not a list of `name: value` lines; see the guide of the node")
    settings = {name: value for name, value in (settings or {}).items() if value is not None}
    if unknown := [str(name) for name in settings if name not in CHECKS]:
        raise BadInput(f"settings file {file} has an unknown name '{unknown[0]}'; known are {', '.join(CHECKS)}")
    for name, value in settings.items():
        right, wanted = CHECKS[name]
        if not right(value):
            raise BadInput(f"settings file {file}: {name} is {value!r:.60}; give {wanted}")
    return settings


# ---- one value


def is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def is_address(value: Any) -> bool:
    return isinstance(value, str) and ADDRESS.fullmatch(value) is not None


def is_place(value: Any) -> bool:
    return isinstance(value, str) and PLACE.fullmatch(value) is not None


def is_devices(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 1 <= len(value) <= 64
        and all(isinstance(item, str) and DEVICE.fullmatch(item) for item in value)
    )


def at_least(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_seconds(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def host_of(address: str) -> str:
    match = ADDRESS.fullmatch(address)
    return match["host"].strip("[]") if match else ""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


COUNTS = (
    "file_limit_bytes", "blob_limit_bytes", "queue_limit", "queue_limit_per_client", "session_limit", "watch_limit",
    "upload_limit", "keep_jobs", "clip_limit_frames", "clip_limit_pixels",
)  # fmt: skip
CHECKS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "bind": (is_address, "an address such as tcp://127.0.0.1:7420"),
    "home": (is_text, "a folder, in quotes"),
    "devices": (is_devices, "a list such as [cpu] or ['cuda:0', 'cuda:1']"),
    "executor": (lambda value: value in ("local", "ray"), "local or ray"),
    "ray_address": (is_place, "the HOST:PORT of a Ray cluster"),
    "keys": (is_text, "a folder, in quotes"),
    "require_consent": (lambda value: isinstance(value, bool), "true or false"),
    "clip_limit_seconds": (is_seconds, "a number of seconds above 0"),
    "memory_limit_bytes": (at_least(0), "a whole number of bytes, 0 for no limit"),
    **dict.fromkeys(COUNTS, (at_least(1), "a whole number above 0")),
}
