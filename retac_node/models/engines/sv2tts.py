"""The SV2TTS engine: the user's own copy of the public checkpoints, in modules of ours.  Never fetches them.

What is known to go wrong with that design is looked for: a line is said sentence by sentence, a short one with more
text after it that is cut off again, and where the attention lost its place the sentence is said anew, then refused.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from pickle import UnpicklingError  # what torch.load raises for a file that holds more than numbers
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from retac_node.data import Speaker, Speech
from retac_node.errors import BadInput
from retac_node.models import tacotron, wavernn
from retac_node.models.engines import SpeakOptions, files
from retac_node.models.engines.fit import Telling
from retac_node.models.engines.letters import TRIES, LostPlace, Once, recited, timed, tried

Model = TypeVar("Model", bound=nn.Module)

LARGEST = 2 * 10**9  # bytes of a checkpoint
MOST = 120  # letters of a piece; beyond, the attention hurries
FEW = 25  # letters; a shorter piece is said with MORE after it
MORE = "And then the others went back to the house."
SLOWEST = 0.2  # seconds a letter takes at most, and SPARE for the ends
SPARE = 2.0
LEFT_OUT = 8  # letters that may be passed over, or gone back
STILL = 0.8  # seconds at one letter
FRAME = 200 / wavernn.RATE  # seconds


def talker(speaker: Speaker, options: SpeakOptions, telling: Telling) -> Once:
    synthesizer, vocoder = ((file, file.stat().st_mtime_ns) for file in files("sv2tts"))
    drawer, maker = load_synthesizer(*synthesizer, options.device), load_vocoder(*vocoder, options.device)
    embedding = torch.from_numpy(speaker.embedding).to(options.device)

    def track(label: str) -> tacotron.Track:
        def walk(items: Iterable[int]) -> Iterable[int]:
            return telling.track(items, label=label)

        return walk

    def say(piece: str) -> Speech:
        def attempt(number: int) -> Speech:
            chance = torch.Generator(options.device).manual_seed(options.seed * TRIES + number)
            mel = drawn(drawer, piece, embedding, chance, track("reading the line"))
            samples = wavernn.sound_of(maker, mel / tacotron.LOUDEST, chance, track("speaking the line"))
            return timed(samples, wavernn.RATE, piece)

        return tried("sv2tts", piece, attempt, telling)

    return Once(lambda line: recited(line, MOST, say, telling))


def drawn(
    model: tacotron.Tacotron, piece: str, embedding: torch.Tensor, chance: torch.Generator, track: tacotron.Track
) -> torch.Tensor:
    """Gives the piece's mel spectrogram (mels, frames).  Raises LostPlace."""
    own = len(tacotron.numbers(piece)) - 1
    text = f"{piece} {MORE}" if own < FEW else piece
    most = int((SLOWEST * len(text) + SPARE) / FRAME) // int(model.decoder.r)
    found = tacotron.draw(model, text, embedding, most, chance, track)
    places = found.attention.argmax(dim=1).cpu().numpy()  # (steps,)
    if not found.ended:
        raise LostPlace("found no end")
    beyond = np.flatnonzero(places > own) if own < FEW else np.zeros(0, int)
    steps = int(beyond[0]) if len(beyond) else len(places)
    if wrong := fault(places[:steps], own, found.frames * FRAME):
        raise LostPlace(wrong)
    return found.mel[:, : steps * found.frames]


def fault(places: np.ndarray, letters: int, seconds: float) -> str:
    """Says what is wrong with where the attention was at each step (n,) of so many seconds; "" where nothing is."""
    inside = places[places < letters]
    reached = np.unique(np.concatenate([[-1], inside, [letters]]))
    if len(inside) == 0 or np.diff(reached).max() > LEFT_OUT:
        return "left out words"
    if (np.maximum.accumulate(inside) - inside).max() > LEFT_OUT:
        return "said words twice"
    moves = np.flatnonzero(np.diff(np.concatenate([[-1], inside, [-1]])))
    return "stood still" if np.diff(moves).max() * seconds > STILL else ""


# ---- checkpoints


@functools.lru_cache(1)
def load_synthesizer(path: Path, changed: int, device: str) -> tacotron.Tacotron:
    model = filled(tacotron.Tacotron(tacotron.Config()), path)
    if not 1 <= int(model.decoder.r) <= model.decoder.config.together:
        raise BadInput(f"{path} makes {int(model.decoder.r)} frames a step, which no synthesizer does; get it again")
    return model.to(device)


@functools.lru_cache(1)
def load_vocoder(path: Path, changed: int, device: str) -> wavernn.WaveRNN:
    return filled(wavernn.WaveRNN(wavernn.Config()), path).to(device)


def filled(model: Model, path: Path) -> Model:
    """Fills the model from a checkpoint, whose names and shapes must all be its own.  Raises BadInput."""
    if path.stat().st_size > LARGEST:
        raise BadInput(f"{path} has over {LARGEST / 1e9:.0f} GB, which no SV2TTS checkpoint has; get the right file")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
        found = {name: tuple(value.shape) for name, value in state.items()}
    except (RuntimeError, UnpicklingError, OSError, EOFError, KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(f"{path} is no SV2TTS checkpoint, or a damaged one; get the right file") from None
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    wrong = [name for name in sorted({*wanted, *found}) if wanted.get(name) != found.get(name)]
    if wrong:
        here, there = (shapes.get(wrong[0], "not there") for shapes in (found, wanted))
        raise BadInput(
            f"{path} is not the public SV2TTS checkpoint: its {wrong[0]} is {here} and should be {there}; get the right one"
        )
    model.load_state_dict(state)
    return model.eval()
