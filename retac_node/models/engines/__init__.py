"""What can speak a line in a learnt voice: a table of engines behind one function.

Knows what each engine needs and where the user puts it, never how it works: its module, of the same name, is imported
when it first speaks.  Such a module has `talker(speaker, options, telling)`, which gives a Talker of fit.py.
"""

import functools
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from retac_shared.options import EngineName

from retac_node import assets, config
from retac_node.data import Speaker, Speech
from retac_node.errors import BadInput

if TYPE_CHECKING:
    from retac_node.models.engines.fit import Telling

NAME = "engine"  # stands in the table of stages for all that the engine which is asked for speaks with


@dataclass(frozen=True)
class Engine:
    """What it cannot speak without."""

    assets: tuple[str, ...] = ()  # names in assets.yaml
    files: tuple[str, ...] = ()  # that the user puts into the folder which the settings name
    package: str = ""  # that the user installs, as pip names it
    module: str = ""  # and as Python does
    source: str = ""  # whose files they are


ENGINES: Mapping[EngineName, Engine] = {
    "kokoro": Engine(assets=("kokoro",)),
    "sv2tts": Engine(
        files=("synthesizer.pt", "vocoder.pt"), source="the checkpoints published with Real-Time-Voice-Cloning"
    ),
    "chatterbox": Engine(
        files=("ve.safetensors", "t3_cfg.safetensors", "s3gen.safetensors", "tokenizer.json"),
        package="chatterbox-tts",
        module="chatterbox",
        source="Resemble AI's model chatterbox",
    ),
}


@dataclass(frozen=True)
class SpeakOptions:
    engine: EngineName = "kokoro"
    slot_seconds: float | None = None  # fit the line to this length; None: as long as it comes
    seed: int = 0
    device: str = "cpu"  # or "cuda"


def speak(text: str, speaker: Speaker, options: SpeakOptions, telling: "Telling") -> Speech:
    """Speaks a line of English in the voice; gives samples, words and phonemes in time.  It is not yet watermarked.

    Raises BadInput where the engine lacks something, and for a line that its slot cannot take.
    """
    from retac_node.models.engines.fit import speak_within  # takes seconds

    talker = import_module(f"{__name__}.{options.engine}").talker(speaker, options, telling)
    return speak_within(talker, text, options.slot_seconds, telling)


def fingerprint(name: EngineName) -> str:
    """Gives the sha256 of all that the engine speaks with.  Raises BadInput, which says what to put where."""
    engine = ENGINES[name]
    used = [sha256_of(asset) for asset in engine.assets]
    if engine.module and find_spec(engine.module) is None:
        raise BadInput(
            f"the voice engine {name} is the package {engine.package}, which is not installed here; run, where its own"
            f" torch does no harm: pip install {engine.package}"
        )
    if engine.package:
        used.append(metadata.version(engine.package))
    if engine.files:
        used += [digest(file, file.stat().st_size, file.stat().st_mtime_ns) for file in files(name)]
    return hashlib.sha256("\n".join((name, *used)).encode()).hexdigest()


def files(name: EngineName) -> list[Path]:
    """Gives the files that the user put in place.  Raises BadInput, which says what to put where."""
    wanted, folder = ENGINES[name].files, config.load().engines.get(name)
    missing = [file for file in wanted if folder is None or not (folder / file).is_file()]
    if folder is not None and not missing:
        return [folder / file for file in wanted]
    place = f"{folder}" if folder else f"a folder and write `engines: {{{name}: FOLDER}}` into {config.default_file()}"
    raise BadInput(
        f"the voice engine {name} speaks with {ENGINES[name].source}, which you have to get; put {', '.join(missing)} "
        f"into {place}"
    )


def sha256_of(asset: str) -> str:
    assets.path(asset)  # it is there and right
    return assets.sha256_of(asset)


@functools.cache
def digest(file: Path, size: int, changed: int) -> str:
    """Gives a file's sha256; it is read once per process and state."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
