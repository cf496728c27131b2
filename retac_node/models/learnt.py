"""Keeps the styles that were found for voices, so that a voice is learnt once.  Never says what makes a style.

One file a voice in the home folder, named by the sound it was learnt from and what it was learnt with; only arrays.
"""

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from retac_node import config
from retac_node.data import Speaker
from retac_node.models import kokoro
from retac_node.models.style import WEIGHTS, Style, style_of
from retac_node.ops.convert import Average

VERSION = 3  # of how a style is found
KEPT = 200  # voices, half a megabyte each; the oldest go first


def learnt(voice: Speaker, model: Path) -> Style:
    """Gives the style of a voice, found now or at an earlier time."""
    file = config.load().home / "voices" / f"{name_of(voice)}.safetensors"
    known = read(file)
    if known is None:
        known = style_of(voice, model)
        write(file, known)
    return known


def name_of(voice: Speaker) -> str:
    digest = hashlib.sha256(f"{VERSION} {voice.rate}".encode())
    for part in (np.ascontiguousarray(voice.samples).data, WEIGHTS.read_bytes(), kokoro.VOICES.read_bytes()):
        digest.update(part)
    return digest.hexdigest()


def read(file: Path) -> Style | None:
    """Reads a style; None where there is none, or its file is damaged."""
    try:
        held = load_file(file)
        tune = kokoro.Tune(*held["tune"].tolist())
        return Style(held["styles"], tune, Average(held["mean"], held["spread"]))
    except (OSError, SafetensorError, KeyError):
        return None


def write(file: Path, style: Style) -> None:
    """Writes a style aside and moves it into its place; several may do so at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tune = np.array([style.tune.pitch, style.tune.spread, style.tune.centre])
    held = {"styles": style.styles, "tune": tune, "mean": style.average.mean, "spread": style.average.spread}
    with NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as aside:
        pass
    save_file({name: np.ascontiguousarray(array) for name, array in held.items()}, aside.name)
    os.replace(aside.name, file)
    oldest = sorted(file.parent.glob("*.safetensors"), key=lambda each: each.stat().st_mtime)[:-KEPT]
    for each in oldest:
        each.unlink(missing_ok=True)
