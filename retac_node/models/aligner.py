"""Finds when each word and phoneme of a known text is spoken in a recording.  Never guesses the text.

Forced alignment by PocketSphinx (Huggins-Daines et al. 2006) and the American English model it carries: 10 ms steps,
about 0.03 s of work a second.  The phonemes are those of ops/phonemes.py.
"""

import functools
from dataclasses import replace

import numpy as np
import pocketsphinx

from retac_node.data import F32, Timed
from retac_node.errors import BadInput
from retac_node.models import kokoro_letters
from retac_node.ops import phonemes, sound, text
from retac_node.ops.phrases import phrases

RATE = 16_000
HOP = 0.010  # seconds a frame
BEAMS = (1e-48, 1e-60, 1e-90, 1e-120)  # how unlikely a path may be and still be followed, tried in turn


def align(samples: F32, rate: int, line: str) -> tuple[tuple[Timed, ...], tuple[Timed, ...]]:
    """Gives words and phonemes with their times; silences are the gaps between phonemes.

    Raises BadInput when the recording cannot be the line.
    """
    labels, words = entries(line)
    recording = pcm(sound.resample(samples, rate, RATE))
    for beam in BEAMS:
        decoder = decoder_for(words, beam)
        try:
            decode(decoder, recording)
            decoder.set_alignment()
            decode(decoder, recording)
        except RuntimeError:  # how the search says that it was lost
            continue
        found = timed(decoder)
        if [word.label for word in found[0]] == words:
            return tuple(replace(word, label=label) for word, label in zip(found[0], labels, strict=True)), found[1]
    raise BadInput(f"the recording does not fit its text ({line[:60]!r}); give the words that are spoken in it")


def entries(line: str) -> tuple[list[str], list[str]]:
    """Gives the words as they are shown and as the recogniser's dictionary names them.

    A word whose pronunciation is given in the line is named by it: |wˈɪn.
    """
    labels, names = [], []
    for phrase in phrases(line):
        given = {stand_in.lower(): word for stand_in, word in phrase.given.items()}
        for word in text.words(phrase.text):
            labels.append(given[word].label if word in given else word)
            names.append(f"|{given[word].letters}" if word in given else word)
    return labels, names


def decoder_for(words: list[str], beam: float) -> pocketsphinx.Decoder:
    decoder = shared_decoder(beam)
    for word in sorted(set(words)):
        if decoder.lookup_word(word) is None:
            decoder.add_word(word, pronunciation(word))
    decoder.set_align_text(" ".join(words))
    return decoder


@functools.cache
def shared_decoder(beam: float) -> pocketsphinx.Decoder:
    """Loads the acoustic model; with batch normalisation nothing is carried from one recording to the next."""
    return pocketsphinx.Decoder(
        samprate=float(RATE), loglevel="FATAL", cmn="batch", beam=beam, pbeam=beam, wbeam=beam**0.6
    )


def pronunciation(word: str) -> str:
    """Gives ARPABET for a word that the recogniser's dictionary lacks."""
    spelled = word[1:] if word[0] == "|" else "".join(part.symbols for part in kokoro_letters.spell(word))
    return " ".join(phonemes.to_arpabet(label) for label, _, _ in phonemes.from_symbols(spelled)) or "AH"


def pcm(samples: F32) -> bytes:
    """(N,) -> 16-bit samples at half of full scale, with half a second of faint noise around for the recogniser."""
    quiet = np.random.default_rng(0).normal(0, 1e-4, len(samples) + RATE)
    quiet[RATE // 2 : RATE // 2 + len(samples)] += samples * (0.5 / max(float(np.abs(samples).max()), 1e-6))
    return (quiet * 32_767).astype("<i2").tobytes()


def decode(decoder: pocketsphinx.Decoder, recording: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(recording, full_utt=True)
    decoder.end_utt()


def timed(decoder: pocketsphinx.Decoder) -> tuple[tuple[Timed, ...], tuple[Timed, ...]]:
    words, sounds = [], []
    for word in decoder.get_alignment():
        if word.name.startswith(("<", "[", "+")):
            continue
        words.append(span(word.name.partition("(")[0], word))
        sounds += [span(phonemes.from_arpabet(phone.name), phone) for phone in word]
    return tuple(words), tuple(sounds)


def span(label: str, entry: pocketsphinx.AlignmentEntry) -> Timed:
    start = entry.start * HOP - 0.5
    return Timed(label, max(start, 0.0), max(start, 0.0) + entry.duration * HOP)
