"""Writes down what is said: to judge synthetic speech by its words, and to mark those of a clip.  Never used to make anything.

Whisper tiny.en (Radford et al. 2022) through faster-whisper, greedy, so that the same sound gives the same words.
"""

import functools

import numpy as np
from faster_whisper import WhisperModel

from retac_node import assets
from retac_node.data import F32, Timed
from retac_node.ops import sound, text

RATE = 16_000


def transcribe(samples: F32, rate: int) -> str:
    """Gives the text of English speech, with punctuation."""
    segments, _ = model().transcribe(sound.resample(samples, rate, RATE), language="en", beam_size=1, temperature=0.0)
    return " ".join(segment.text.strip() for segment in segments)


def words(samples: F32, rate: int) -> tuple[Timed, ...]:
    """Gives the words with start and end in seconds, within about 0.1 s."""
    segments, _ = model().transcribe(
        sound.resample(samples, rate, RATE), language="en", beam_size=1, temperature=0.0, word_timestamps=True
    )
    return tuple(Timed(w.word.strip(), w.start, w.end) for segment in segments for w in segment.words or ())


def word_error_rate(reference: str, heard: str) -> float:
    """Gives the edits that turn one text into the other, over the reference's words; numbers are compared as words."""
    wanted, found = text.words(reference), text.words(heard)
    row = np.arange(len(found) + 1)
    for i, word in enumerate(wanted, 1):
        previous, row = row, np.full(len(found) + 1, i)
        for j, other in enumerate(found, 1):
            row[j] = min(row[j - 1] + 1, previous[j] + 1, previous[j - 1] + (word != other))
    return float(row[-1]) / max(len(wanted), 1)


@functools.cache
def model() -> WhisperModel:
    return WhisperModel(str(assets.path("whisper_tiny_en")), device="cpu", compute_type="int8", cpu_threads=2)
