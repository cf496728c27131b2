"""Lays a line into its place in the clip: silence cut around it, quiet added after it.  Never changes its pace.

How a line is spoken so that it has the length is models/engines/fit.py's.
"""

from dataclasses import replace

import numpy as np

from retac_node.data import Speech, Timed
from retac_node.ops import sound


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
