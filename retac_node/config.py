"""Where this installation keeps its files and how much it may keep.  The one reader of the environment; knows no stage.

Settings come from `config.yaml` in the user's configuration folder; the environment variable RETAC_HOME overrides
its `home`.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from retac_node.errors import BadInput

APPLICATION = "retac"
ENVIRONMENT = "RETAC_HOME"


HEADS = ("bfm", "flame", "ict")  # models whose files a user may have
ENGINES = ("sv2tts", "chatterbox")  # voices whose files a user may have
NAMES = ("home", "cache_limit_bytes", "head", "engines")


@dataclass(frozen=True)
class HeadChoice:
    kind: str  # one of HEADS
    folder: Path  # where the model's files lie


@dataclass(frozen=True)
class Config:
    home: Path  # everything that can be made or fetched again
    cache_limit_bytes: int = 20 * 10**9  # of `work`; the least recently used tasks go first
    head: HeadChoice | None = None  # None: the head that comes with the project
    engines: Mapping[str, Path] = field(default_factory=dict)  # voice engine -> the folder of its files

    @property
    def assets(self) -> Path:
        """The folder of model files."""
        return self.home / "assets"

    @property
    def work(self) -> Path:
        """The folder of finished and unfinished tasks."""
        return self.home / "work"


def load(environment: Mapping[str, str] = os.environ, file: Path | None = None) -> Config:
    """Reads the settings.  `file` None: the user's own, which may be absent.  Raises BadInput for one that is wrong."""
    chosen = file if file is not None else default_file(environment)
    settings = read_settings(chosen, needed=file is not None)
    home = environment.get(ENVIRONMENT) or settings.pop("home", None) or user_folder("cache", environment)
    settings.pop("home", None)
    head = settings.pop("head", None)
    chosen_head = HeadChoice(head["kind"], absolute(head["folder"])) if head else None
    engines = {name: absolute(folder) for name, folder in (settings.pop("engines", None) or {}).items()}
    return Config(home=absolute(home), head=chosen_head, engines=engines, **settings)


def default_file(environment: Mapping[str, str] = os.environ) -> Path:
    """Gives where the user's own settings are, or would be."""
    return user_folder("config", environment) / "config.yaml"


def absolute(path: str | Path) -> Path:
    return Path(path).expanduser().absolute()


def read_settings(file: Path, needed: bool) -> dict[str, Any]:
    """Gives the checked settings of one file; none when it is absent and not needed."""
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if needed:
            raise BadInput(f"settings file {file} does not exist; give another path or leave it out") from None
        return {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"settings file {file} cannot be read: {' '.join(str(error).split())}") from None
    return check_settings(settings if settings is not None else {}, file)


def check_settings(settings: Any, file: Path) -> dict[str, Any]:
    """Gives the settings back when every name and value is one we know."""
    if not isinstance(settings, dict):
        raise BadInput(f"settings file {file} is not a list of `name: value` lines; see the user guide")
    if unknown := [str(key) for key in settings if key not in NAMES]:
        raise BadInput(f"settings file {file} has an unknown name '{unknown[0]}'; known are {', '.join(NAMES)}")
    if not isinstance(settings.get("home", ""), str):
        raise BadInput(f"settings file {file}: home is not a folder; write the path in quotes")
    limit = settings.get("cache_limit_bytes", 1)
    if not isinstance(limit, int) or isinstance(limit, bool) or limit <= 0:
        raise BadInput(f"settings file {file}: cache_limit_bytes is {limit!r}; give a whole number of bytes above 0")
    check_head(settings.get("head"), file)
    check_engines(settings.get("engines"), file)
    return settings


def check_head(head: Any, file: Path) -> None:
    if head is None:
        return
    if not isinstance(head, dict) or set(head) != {"kind", "folder"} or not isinstance(head["folder"], str):
        raise BadInput(f"settings file {file}: head is not understood; write head: {{kind: bfm, folder: PATH}}")
    if head["kind"] not in HEADS:
        raise BadInput(f"settings file {file}: there is no head '{head['kind']}'; known are {', '.join(HEADS)}")


def check_engines(engines: Any, file: Path) -> None:
    if engines is None:
        return
    if not isinstance(engines, dict) or not all(isinstance(folder, str) for folder in engines.values()):
        raise BadInput(f"settings file {file}: engines is not understood; write engines: {{sv2tts: FOLDER}}")
    if unknown := [str(name) for name in engines if name not in ENGINES]:
        raise BadInput(
            f"settings file {file}: there is no voice engine '{unknown[0]}' with files of yours; known are "
            f"{', '.join(ENGINES)}"
        )


def user_folder(kind: str, environment: Mapping[str, str]) -> Path:
    """Gives the platform's folder of this application for `kind` "cache" or "config"."""
    if sys.platform == "win32":
        parent = environment.get("LOCALAPPDATA" if kind == "cache" else "APPDATA")
        return (Path(parent) if parent else Path.home()) / APPLICATION
    if sys.platform == "darwin":
        parts = ("Library", "Caches") if kind == "cache" else ("Library", "Application Support")
        return Path.home().joinpath(*parts, APPLICATION)
    chosen = environment.get(f"XDG_{kind.upper()}_HOME")
    return (Path(chosen) if chosen else Path.home() / f".{kind}") / APPLICATION
