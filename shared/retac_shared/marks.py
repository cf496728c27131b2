"""Marks inside a line: [Nguyen](W IH1 N) or [Nguyen](/wˈɪn/) says how a word is spoken, [pause 0.5] is silence, *stress*.

Reads and checks them; never speaks.  Raises ValueError with one sentence that names the word.
"""

import re
from dataclasses import dataclass

PAUSE = (0.05, 3.0)  # seconds
MOST = 60  # letters of one pronunciation

WORD_MARK = r"\[(?P<label>[^\[\]]*)\]\((?P<phones>[^()]*)\)(?P<s>['’]s\b)?"
PAUSE_MARK = r"\[\s*pause\b\s*(?P<seconds>[^\s\[\]]*)\s*\]"
MARK = re.compile(rf"{WORD_MARK}|{PAUSE_MARK}", re.IGNORECASE)
STRESSED = re.compile(r"(?<![\w*])\*(?=[^\s*])(?P<words>[^*]*[^\s*])\*(?![\w*])")  # 3 * 4 and 2*3 are none

# ARPABET, and the letter that the synthesiser writes for each sound.
ARPABET = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "W", "AY": "I", "B": "b", "CH": "ʧ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɜɹ", "EY": "A", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "ʤ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "O", "OY": "Y", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
REDUCED = {"AH": "ə", "ER": "əɹ"}  # without stress
STRESS = {"0": "", "1": "ˈ", "2": "ˌ"}

IPA = {
    "tʃ": "ʧ", "dʒ": "ʤ", "eɪ": "A", "aɪ": "I", "oʊ": "O", "əʊ": "O", "aʊ": "W", "ɔɪ": "Y", "ɜː": "ɜɹ", "ɝ": "ɜɹ",
    "ɚ": "əɹ", "ɑ": "ɑ", "ɒ": "ɑ", "a": "ɑ", "æ": "æ", "ɔ": "ɔ", "o": "ɔ", "e": "ɛ", "ɛ": "ɛ", "ɜ": "ɜ", "ə": "ə",
    "ɐ": "ɐ", "ʌ": "ʌ", "ɪ": "ɪ", "i": "i", "ʊ": "ʊ", "u": "u", "b": "b", "d": "d", "f": "f", "g": "ɡ", "ɡ": "ɡ",
    "h": "h", "j": "j", "k": "k", "l": "l", "ɫ": "l", "m": "m", "n": "n", "ŋ": "ŋ", "p": "p", "r": "ɹ", "ɹ": "ɹ",
    "ɾ": "ɾ", "s": "s", "ʃ": "ʃ", "ʧ": "ʧ", "t": "t", "θ": "θ", "ð": "ð", "ʔ": "ʔ", "v": "v", "w": "w", "z": "z",
    "ʒ": "ʒ", "ʤ": "ʤ", "ˈ": "ˈ", "'": "ˈ", "ˌ": "ˌ", "ː": "", ".": "", " ": "", "\u0361": "",
}  # fmt: skip
VOWELS = "AIOWYɑæɔɛɜəɐʌɪiʊu"
WEAK = "əɐ"

ACCEPTED = (
    f"ARPABET ({' '.join(ARPABET)}; 0, 1 or 2 after a vowel is its stress) or IPA between slashes "
    f"({' '.join(symbol for symbol in IPA if symbol.isalpha() and symbol not in 'ʧʤ')})"
)


@dataclass(frozen=True)
class Spoken:
    """A word and how it is said."""

    label: str  # as written
    letters: str  # the synthesiser's


@dataclass(frozen=True)
class Pause:
    seconds: float


def parts(text: str) -> list[str | Spoken | Pause]:
    """Splits a line into its text and its marks, in order.  Raises ValueError for a mark that cannot be spoken."""
    found: list[str | Spoken | Pause] = []
    at = 0
    for match in MARK.finditer(text):
        found += [text[at : match.start()], mark(match)]
        at = match.end()
    found = [part for part in [*found, text[at:]] if not isinstance(part, str) or part.strip()]
    for here, after in zip([Pause(0), *found], [*found, Pause(0)], strict=True):
        if isinstance(here, Pause) and isinstance(after, Pause) and found:
            raise ValueError("a [pause] stands at an end of the text or beside another; put it between two words")
    return found


def plain(text: str) -> str:
    """Gives the text as it is read: words without how they are said, no pauses, no stress.  Accepts any text."""
    text = MARK.sub(lambda match: " " if match["label"] is None else match["label"] + (match["s"] or ""), text)
    return STRESSED.sub(lambda match: match["words"], text)


def mark(match: re.Match[str]) -> Spoken | Pause:
    if match["label"] is None:
        return pause(match["seconds"])
    label = " ".join(match["label"].split())
    if not any(character.isalnum() for character in label):
        raise ValueError(f"the pronunciation ({match['phones']}) has no word; write the word in the brackets before it")
    said = letters(match["phones"], label)
    return Spoken(f"{label}'s", said + possessive(said)) if match["s"] else Spoken(label, said)


def pause(written: str) -> Pause:
    number = written.removesuffix("s")
    seconds = float(number) if re.fullmatch(r"\d+\.?\d*|\.\d+", number) else -1.0
    if not PAUSE[0] <= seconds <= PAUSE[1]:
        raise ValueError(f"[pause {written}] is no pause; give seconds from {PAUSE[0]:g} to {PAUSE[1]:g}: [pause 0.5]")
    return Pause(seconds)


def letters(phones: str, word: str) -> str:
    """Gives the synthesiser's letters for a pronunciation in ARPABET, or in IPA between slashes.

    A stress mark comes before its vowel; a pronunciation that marks no stress has it on the first full vowel.
    Raises ValueError, which names the word and lists the symbols, for one that is not known.
    """
    phones = phones.strip()
    slashed = len(phones) > 1 and phones[0] == phones[-1] == "/"
    found = from_ipa(phones[1:-1], word) if slashed else from_arpabet(phones, word)
    if not any(letter not in "ˈˌ" for letter in found):
        raise ValueError(f"the word '{word}' has an empty pronunciation; give {ACCEPTED}")
    if len(found) > MOST:
        raise ValueError(f"the pronunciation of '{word}' has {len(found)} letters and may have {MOST}; split the word")
    return found


def from_arpabet(phones: str, word: str) -> str:
    found, marked = "", any(character.isdigit() for character in phones)
    for phone in phones.upper().split():
        name, digit = (phone[:-1], phone[-1]) if phone[-1] in STRESS else (phone, "")
        if name not in ARPABET or (digit and ARPABET[name][0] not in VOWELS):
            raise ValueError(unknown(word, phone))
        found += STRESS.get(digit, "") + (REDUCED.get(name, ARPABET[name]) if digit == "0" else ARPABET[name])
    return found if marked else stressed(found)


def from_ipa(phones: str, word: str) -> str:
    """A mark of stress stands before the syllable; it goes to the vowel."""
    found, waiting, at = "", "", 0
    while at < len(phones):
        symbol = next((phones[at : at + size] for size in (2, 1) if phones[at : at + size] in IPA), "")
        if not symbol:
            raise ValueError(unknown(word, phones[at]))
        letter = IPA[symbol]
        if letter and letter in "ˈˌ":
            waiting, letter = letter, ""
        if letter and letter[0] in VOWELS:
            letter, waiting = waiting + letter, ""
        found += letter
        at += len(symbol)
    return found if "ˈ" in phones or "'" in phones else stressed(found)


def stressed(found: str) -> str:
    first = next((i for i, letter in enumerate(found) if letter in VOWELS and letter not in WEAK), None)
    return found if first is None or "ˌ" in found else f"{found[:first]}ˈ{found[first:]}"


def possessive(found: str) -> str:
    """Nguyen's z, Pat's s, Max's ɪz."""
    return "ɪz" if found[-1] in "szʃʒʧʤ" else "s" if found[-1] in "ptkfθ" else "z"


def unknown(word: str, symbol: str) -> str:
    return f"the pronunciation of '{word}' has '{symbol}', which is no sound that can be spoken; give {ACCEPTED}"
