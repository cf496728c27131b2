"""For engines that read letters and have no pace of their own: cuts a line into pieces, says each once, joins them.

Never makes sound itself.  Pieces are sentences, so that a long line is no harder than a short one.
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from retac_node.data import F32, Speech, Timed
from retac_node.errors import BadInput
from retac_node.models import aligner, kokoro
from retac_node.models.engines.fit import Telling, lasting, needed
from retac_node.ops import sound
from retac_node.ops.phrases import Phrase, phrases

PLAIN = str.maketrans({"—": ",", "…": "...", "’": "'", "‘": "'", "“": '"', "”": '"'})
LONGEST_GAP, GAP = 0.5, 0.25  # seconds: a longer silence inside a piece becomes this long
TRIES = 4  # of a piece


@dataclass(frozen=True)
class Piece:
    text: str
    pause: float  # seconds of silence after it


class LostPlace(Exception):
    """The model did not say the piece; tells what it did."""


class Once:
    """A talker that speaks a line once, and stretches that to every pace."""

    def __init__(self, recite: Callable[[str], Speech]) -> None:
        self.recite = functools.lru_cache(1)(recite)

    def planned(self, line: str, pace: float) -> float:
        return needed(self.recite(line)) / pace

    def says(self, line: str, pace: float, telling: Telling) -> Speech:
        return self.recite(line) if pace == 1 else lasting(self.recite(line), self.planned(line, pace))


def recited(line: str, most: int, say: Callable[[str], Speech], telling: Telling) -> Speech:
    """Says a line piece by piece, each of `most` letters at most; `say` gives one, beginning and ending in silence."""
    if any(phrase.given for phrase in phrases(line)):
        telling.warn("this voice engine reads letters, so the pronunciations that the line gives are left out")
    said = [(say(piece.text), piece.pause) for piece in pieces(line, most)]
    samples: list[F32] = []
    words: list[Timed] = []
    phonemes: list[Timed] = []
    at = 0.0
    for speech, pause in said:
        quiet = np.zeros(max(0, round((pause - sound.HEAD - sound.TAIL) * speech.rate)), np.float32)
        samples += [speech.samples, quiet]
        words += kokoro.shifted(speech.words, at)
        phonemes += kokoro.shifted(speech.phonemes, at)
        at += (len(speech.samples) + len(quiet)) / speech.rate
    return Speech.of(np.concatenate(samples[:-1]), said[0][0].rate, tuple(words), tuple(phonemes))


def tried(engine: str, piece: str, attempt: Callable[[int], Speech], telling: Telling) -> Speech:
    """Gives the first attempt (by its number) that says the piece.  Raises BadInput where none does."""
    wrong = ""
    for number in telling.track(range(TRIES), label="speaking the line"):
        try:
            return attempt(number)
        except LostPlace as error:
            wrong = str(error)
    raise BadInput(
        f"the voice engine {engine} {wrong} in {piece[:60]!r}, {TRIES} times; word it otherwise, or use the engine kokoro"
    )


def timed(samples: F32, rate: int, piece: str) -> Speech:
    """Finds the piece's words in its sound, silences cut.  Raises LostPlace where they are not there."""
    if not sound.speaking(samples, rate).any():
        raise LostPlace("said nothing")
    samples, _ = sound.trim(without_gaps(samples, rate), rate)
    try:
        return Speech.of(samples, rate, *aligner.align(samples, rate, piece))
    except BadInput:
        raise LostPlace("said something else") from None


def pieces(line: str, most: int) -> list[Piece]:
    """Cuts a line at its pauses, after its sentences, and where a sentence is too long, at a comma or a space."""
    found: list[Piece] = []
    for phrase in phrases(line):
        cut = [part for sentence in sentences(readable(phrase)) for part in shortened(sentence, most)]
        found += [Piece(part, pause_after(part)) for part in cut]
        if found and phrase.pause is not None:
            found[-1] = Piece(found[-1].text, phrase.pause)
    return found


def readable(phrase: Phrase) -> str:
    """Gives the phrase in the letters that such engines know, words with a given pronunciation as they are written."""
    written = phrase.text
    for stand_in, word in phrase.given.items():
        written = written.replace(stand_in, word.label)
    return " ".join(written.translate(PLAIN).split())


def sentences(written: str) -> list[str]:
    parts = re.split(r"(?<=[.!?])\s+", written)
    return [part for part in parts if any(letter.isalnum() for letter in part)]


def shortened(sentence: str, most: int) -> list[str]:
    cut: list[str] = []
    while len(sentence) > most:
        marks = [sentence.rfind(mark, 0, most) + 1 for mark in (", ", "; ", ": ")]
        at = max(marks) if max(marks) > most // 4 else sentence.rfind(" ", 1, most)
        at = at if at > 0 else most
        cut.append(sentence[:at].strip())
        sentence = sentence[at:].strip()
    return [*cut, sentence]


def pause_after(piece: str) -> float:
    return kokoro.PAUSES.get(piece.rstrip("\"' )")[-1:], 0.05)


def without_gaps(samples: F32, rate: int) -> F32:
    """Shortens the silences inside a piece that are too long to be a breath."""
    speaking = sound.speaking(samples, rate)
    hop = int(sound.HOP * rate)
    edges = np.flatnonzero(np.diff(speaking.astype(np.int8))) + 1
    kept = np.ones(len(speaking), bool)
    for start, stop in pairwise(edges):
        if not speaking[start] and (stop - start) * sound.HOP > LONGEST_GAP:
            half = round(GAP / 2 / sound.HOP)
            kept[start + half : stop - half] = False
    return samples[np.repeat(kept, hop)[: len(samples)]]
