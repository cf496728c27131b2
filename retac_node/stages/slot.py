"""Fits a line to the length it has in the clip: by its pace, then by a little stretching, then by quiet at its end.

Never chooses a voice.  The model says how long a line will be for a fiftieth of the work of speaking it, so the pace
is found first and the line is spoken once.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import Protocol

import numpy as np
from onnxruntime import InferenceSession

from retac_node.data import F32, Speech, Timed
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import kokoro
from retac_node.ops import sound, stretch

PACES = (0.8, 1.25)  # slower and faster than the voice's own that still sound like talking
HALVINGS = 6  # of the range of paces
UNSURE = 1.15  # how far a length may be from what was planned
CLOSE = 0.040  # seconds, a frame: a line that ends this early fills its slot
LAST = 0.040  # seconds after the last sound that are kept at least


class Talker(Protocol):
    def planned(self, line: str, pace: float) -> float:
        """Says how long a slot the line will need, seconds."""

    def says(self, ctx: Context, line: str, pace: float) -> kokoro.Utterance:
        """Speaks the line."""


@dataclass(frozen=True)
class Voice:
    model: Path
    styles: F32  # (510, 256)
    pitch: float  # factor

    @cached_property
    def session(self) -> InferenceSession:
        return kokoro.load(self.model)

    @cached_property
    def lengths(self) -> InferenceSession:
        return kokoro.load_lengths(self.model)

    def planned(self, line: str, pace: float) -> float:
        return kokoro.planned(self.lengths, self.styles, line, pace) + LAST

    def says(self, ctx: Context, line: str, pace: float) -> kokoro.Utterance:
        def track(pieces: list[list[kokoro.Word]]) -> Iterable[list[kokoro.Word]]:
            return ctx.track(pieces, label="speaking the line")

        return kokoro.speak(self.session, self.styles, line, pace, self.pitch, track)


def speak_within(ctx: Context, voice: Talker, line: str, seconds: float | None) -> kokoro.Utterance:
    """Speaks the line; where there is a slot, so that it fills it, within PACES.

    A line too short for its slot is spoken slowly and leaves the rest of it quiet.  Raises BadInput for one too long.
    """
    if seconds is None:
        return voice.says(ctx, line, 1.0)
    own = voice.planned(line, 1.0)
    if own > UNSURE * PACES[1] * seconds:
        raise BadInput(too_long(line, own / PACES[1], seconds))
    pace = pace_for(voice, line, seconds)
    utterance = voice.says(ctx, line, pace)
    own *= seconds_of(utterance) / voice.planned(line, pace)  # now measured
    if own > PACES[1] * seconds:
        raise BadInput(too_long(line, own / PACES[1], seconds))
    wanted = min(seconds, own / PACES[0])
    if wanted < seconds - CLOSE:
        ctx.warn(too_short(line, wanted, seconds))
    return utterance if wanted - CLOSE <= seconds_of(utterance) <= wanted else lasting(utterance, wanted)


def pace_for(voice: Talker, line: str, seconds: float) -> float:
    """Gives the slowest pace at which the line is not longer than its slot, or the fastest that there is."""
    slow, fast = PACES
    if voice.planned(line, slow) <= seconds:
        return slow
    for _ in range(HALVINGS):
        middle = (slow * fast) ** 0.5
        slow, fast = (slow, middle) if voice.planned(line, middle) <= seconds else (middle, fast)
    return fast


def too_long(line: str, needed: float, seconds: float) -> str:
    words = count_words(line)
    fit = int(words * seconds / needed)
    advice = f"or shorten the text from {words} words to about {fit}" if fit else "or shorten the text"
    return (
        f"the line needs {ceil(10 * needed) / 10:.1f} s at the fastest pace and its place in the clip has "
        f"{seconds:.1f} s; move --end {ceil(10 * (needed - seconds)) / 10:.1f} s later {advice}"
    )


def too_short(line: str, length: float, seconds: float) -> str:
    words = count_words(line)
    return (
        f"the line lasts {length:.1f} s at the slowest pace and its place in the clip {seconds:.1f} s, so its last "
        f"{seconds - length:.1f} s are quiet; about {round(words * seconds / length)} words instead of {words} fill it"
    )


def count_words(line: str) -> int:
    return len(kokoro.spell(line))


def seconds_of(utterance: kokoro.Utterance) -> float:
    """Gives how long a slot the line needs: the quiet tail may be cut."""
    return utterance.phonemes[-1].end + LAST


def lasting(utterance: kokoro.Utterance, seconds: float) -> kokoro.Utterance:
    """Stretches the sound and its times so that the line needs a slot of this length."""
    factor = (seconds - LAST) / utterance.phonemes[-1].end

    def moved(items: tuple[Timed, ...]) -> tuple[Timed, ...]:
        return tuple(Timed(item.label, item.start * factor, item.end * factor) for item in items)

    samples = stretch.stretched(utterance.samples, kokoro.RATE, factor)
    return kokoro.Utterance(samples, moved(utterance.words), moved(utterance.phonemes))


def trimmed(speech: Speech) -> Speech:
    """Cuts the silence around a line and moves its times with it."""
    samples, cut = sound.trim(speech.samples, speech.rate)
    seconds = len(samples) / speech.rate
    words = tuple(within(word, cut / speech.rate, seconds) for word in speech.words)
    phonemes = tuple(within(phoneme, cut / speech.rate, seconds) for phoneme in speech.phonemes)
    return replace(speech, samples=samples, words=words, phonemes=phonemes, seconds=seconds)


def within(item: Timed, cut: float, seconds: float) -> Timed:
    return Timed(item.label, float(np.clip(item.start - cut, 0, seconds)), float(np.clip(item.end - cut, 0, seconds)))


def in_slot(speech: Speech, seconds: float) -> Speech:
    """Makes the samples exactly as long as the slot: silence after the line, or less of it."""
    count = round(seconds * speech.rate)
    samples = np.pad(speech.samples, (0, max(0, count - len(speech.samples))))[:count]
    if count < len(speech.samples):
        samples = sound.faded(samples, 0, int(0.01 * speech.rate))
    return replace(speech, samples=samples, seconds=seconds)
