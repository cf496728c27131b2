"""Finds how Kokoro must speak to sound like a person: its style and tune.  Never speaks the user's line.

The nearest mix of the bank's voices, with the person's pitch and range, speaks a sample, which is given their timbre
(ops/convert.py) and their room, and compared with the recording.  What the speaker encoder still hears between them is
turned into a step of the style by one product (train/voice.py); the style that comes nearer stays.
"""

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.optimize import nnls

from retac_node.data import F32, Speaker
from retac_node.models import kokoro, speaker
from retac_node.ops import convert, room, sound

WEIGHTS = Path(__file__).parents[1] / "weights" / "voice.safetensors"
TIMBRE = 128  # numbers of a style that shape the sound; the others shape pitch, lengths and loudness
NEIGHBOURS = 5  # voices that may be mixed
TUNEFUL = 2.0  # weight of an octave between voices against the whole of an embedding
PITCHES = (0.7, 1.4)  # factors on a voice's pitch that still sound like a person
SPREADS = (0.7, 1.15)  # and on its range
CAUTION = 0.01  # what an embedding is unsure of, squared, against steps as long as between voices of the bank
SAMPLE = "We always thought that the boy could choose. Put five big jugs near the open garden door, please."


@dataclass(frozen=True)
class Style:
    """A voice in Kokoro's terms."""

    styles: F32  # (510, 256), by number of tokens
    tune: kokoro.Tune
    average: convert.Average  # of its own sound, before that is given the person's timbre


@dataclass(frozen=True)
class Encoder:
    """The speaker embedding as it follows from the timbre, for small steps."""

    directions: F32  # (Q, TIMBRE), each as long as voices usually differ along it
    slopes: F32  # (Q, 256), what a step along each adds to the embedding

    def step(self, missing: F32) -> F32:
        """Gives the likeliest step of the timbre (TIMBRE,) for what the embedding misses (256,)."""
        unsure = self.slopes @ self.slopes.T + CAUTION * np.eye(len(self.slopes))
        return (np.linalg.solve(unsure, self.slopes @ missing) @ self.directions).astype(np.float32)


@dataclass(frozen=True)
class Try:
    style: Style
    embedding: F32  # (256,) of the sample in the person's timbre


def style_of(voice: Speaker, model: Path) -> Style:
    """Gives the style in which Kokoro sounds most like the voice; speaks a sample twice to find it."""
    session, contour = kokoro.load(model), kokoro.load_contour(model)
    held, place = convert.exemplars(voice.samples, voice.rate), room.learn(voice.samples, voice.rate)
    styles = nearest(kokoro.load_voices(), voice)
    tune = tuned(voice, kokoro.hummed(contour, styles, SAMPLE))
    first = tried(session, styles, tune, held, place)
    moved = np.hstack([styles[:, :TIMBRE] + load().step(voice.embedding - first.embedding), styles[:, TIMBRE:]])
    second = tried(session, moved, tune, held, place)
    return max((first, second), key=lambda each: float(each.embedding @ voice.embedding)).style


def tried(session: kokoro.Model, styles: F32, tune: kokoro.Tune, held: convert.Exemplars, place: room.Room) -> Try:
    """Speaks the sample in a style and hears what comes of it."""
    plain = kokoro.speak(session, styles, SAMPLE, tune=tune).samples
    average = convert.average_of(plain, held)
    heard = room.place(convert.toward(plain, held, average), kokoro.RATE, place)
    return Try(Style(styles, tune, average), speaker.embed(heard, kokoro.RATE))


def nearest(bank: kokoro.VoiceBank, voice: Speaker) -> F32:
    """Gives (510, 256) styles: the timbre of the nearest mix, the ways of the nearest that is also as high."""
    octaves = np.log2(bank.pitches / voice.pitch)  # (V,)
    timbre = bank.mixed(nearest_mix(bank.embeddings, voice.embedding))
    ways = bank.mixed(nearest_mix(bank.embeddings, voice.embedding, TUNEFUL * octaves))
    return np.hstack([timbre[:, :TIMBRE], ways[:, TIMBRE:]])


def nearest_mix(known: F32, wanted: F32, away: F32 | None = None) -> F32:
    """Gives weights (V,) that sum to 1, for the mix of `known` (V, D) embeddings that is nearest to `wanted` in angle.

    Over non-negative weights the least squares of E w - e and the largest cosine have the same direction.  `away` (V,)
    is to average 0 as well; without it only NEIGHBOURS are mixed.
    """
    near = np.argsort(-(known @ wanted), kind="stable")[: NEIGHBOURS if away is None else len(known)]
    rows, goal = known[near].T, wanted
    if away is not None:
        rows, goal = np.vstack([rows, away[near]]), np.append(goal, 0)
    found, _ = nnls(rows.astype(float), goal.astype(float))
    weights = np.zeros(len(known), np.float32)
    weights[near] = found / found.sum()
    return weights


def tuned(voice: Speaker, hummed: F32) -> kokoro.Tune:
    """Gives the tune that moves a contour (N,) Hz to the person's middle pitch and range."""
    pitch = sound.pitch(voice.samples, voice.rate)
    own = float(np.median(hummed))
    spread = octaves_around(pitch[pitch > 0]) / max(octaves_around(hummed), 0.01)
    return kokoro.Tune(float(np.clip(voice.pitch / own, *PITCHES)), float(np.clip(spread, *SPREADS)), own)


def octaves_around(pitch: F32) -> float:
    """Gives the middle distance from the middle pitch, in octaves."""
    return float(np.median(np.abs(np.log2(pitch / np.median(pitch)))))


@functools.cache
def load(path: Path = WEIGHTS) -> Encoder:
    held = load_file(path)
    return Encoder(held["directions"].astype(np.float32), held["slopes"].astype(np.float32))


def save(encoder: Encoder, path: Path) -> None:
    save_file({"directions": encoder.directions, "slopes": encoder.slopes}, path)
