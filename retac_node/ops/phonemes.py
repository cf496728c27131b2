"""The one inventory of speech sounds: 39 of American English in IPA, and silence.  Knows symbols; never audio or files.

The synthesiser's symbols (one letter a sound, with stress marks) and the recogniser's (ARPABET) both map onto it, so
that what is learnt from recordings holds for synthetic speech.  ARPABET as the recogniser prints it has no stress, so
schwa and the vowel of "cut" are one symbol, and so are the r-coloured vowels of "bird" and "butter".
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retac_node.data import Timed

SILENCE = "sil"

ARPABET = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "dʒ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip

PHONEMES: tuple[str, ...] = (SILENCE, *ARPABET.values())

# What the synthesiser writes in one letter and IPA in two, and its finer distinctions that the inventory does not make.
FOLDED = {
    "A": "eɪ", "I": "aɪ", "O": "oʊ", "W": "aʊ", "Y": "ɔɪ", "ʤ": "dʒ", "ʧ": "tʃ",
    "ə": "ʌ", "ᵊ": "ʌ", "ᵻ": "ɪ", "ɾ": "t", "T": "t", "ʔ": "t", "ɜ": "ɝ", "ɐ": "ʌ",
}  # fmt: skip

STRESS = "ˈˌ"


def from_symbol(symbol: str) -> str:
    """Gives the inventory's phoneme for one of the synthesiser's letters; "" for stress, space and punctuation."""
    folded = FOLDED.get(symbol, symbol)
    return folded if folded in _INDEX else ""


def from_symbols(symbols: str) -> list[tuple[str, int, int]]:
    """Splits the synthesiser's letters into phonemes, each with the letters [start, stop) it covers.

    A stress mark belongs to the vowel after it, and a schwa followed by r is one r-coloured vowel.
    """
    found: list[tuple[str, int, int]] = []
    start = 0
    for i, symbol in enumerate(symbols):
        phoneme = from_symbol(symbol)
        if symbol == "ɹ" and found and found[-1][2] == i and symbols[i - 1] in "əɜ":
            found[-1] = ("ɝ", found[-1][1], i + 1)
        elif phoneme:
            found.append((phoneme, start, i + 1))
        if symbol not in STRESS:
            start = i + 1
    return found


def from_arpabet(phone: str) -> str:
    """Gives the phoneme for an ARPABET phone, with or without a stress digit; silence for anything else."""
    return ARPABET.get(phone.rstrip("012"), SILENCE)


def to_arpabet(phoneme: str) -> str:
    return _ARPABET_OF[phoneme]


def labels_at(phonemes: Sequence[Timed], times: NDArray[np.floating]) -> NDArray[np.int64]:
    """Gives the index into PHONEMES of what is spoken at each time (n,) in seconds; 0, silence, between phonemes."""
    if not phonemes:
        return np.zeros(len(times), np.int64)
    starts = np.array([phoneme.start for phoneme in phonemes])
    ends = np.array([phoneme.end for phoneme in phonemes])
    labels = np.array([_INDEX.get(phoneme.label, 0) for phoneme in phonemes])
    last = np.searchsorted(starts, times, side="right") - 1  # (n,) the phoneme begun most recently
    inside = (last >= 0) & (times < ends[np.maximum(last, 0)])
    return np.where(inside, labels[np.maximum(last, 0)], 0)


_INDEX = {phoneme: index for index, phoneme in enumerate(PHONEMES)}
_ARPABET_OF = {ipa: phone for phone, ipa in ARPABET.items()}
