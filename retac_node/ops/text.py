"""Writes English text the way it is spoken: numbers, money, times and abbreviations as words.  Pure; never phonemes.

Punctuation that shapes the melody of a sentence (. , ? ! ; : — …) is kept; contractions are kept; the rest is spelled
out by the table in ops/written.py, or dropped.  Marks of pronunciation (see ops/phrases.py) are dropped.  `words` gives
the bare words that a transcript is compared by.
"""

import re
import unicodedata

from retac_shared import marks

from retac_node.ops.written import RULES

LIGATURES = {
    "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
    "ð": "th", "ı": "i", "…": "...", "º": "°", "™": "", "®": "", "©": "",
}  # fmt: skip


def normalise(text: str) -> str:
    """Gives the text with everything that is not a plain word or a mark of melody spelled out."""
    text = plain_marks(marks.plain(text))
    for pattern, spoken in RULES:
        text = pattern.sub(spoken, text)
    return tidy(text)


def sentences(text: str) -> list[str]:
    """Splits normalised text after . ? ! and …, keeping the marks and closing quotes."""
    return [part for part in re.split(r"(?<=[.?!…])[”\"]?\s+|(?<=[.?!…][”\"])\s+", text.strip()) if part]


def words(text: str) -> list[str]:
    """Gives the spoken words alone, lower case, without marks; two texts that sound alike give the same list."""
    spoken = normalise(text).lower().replace("-", " ")
    return [word.strip("'") for word in re.findall(r"[a-z']+", spoken) if word.strip("'")]


def plain_marks(text: str) -> str:
    """Reduces the many quotes, dashes and accents of typeset text to the few that are spoken."""
    text = unicodedata.normalize("NFKC", "".join(LIGATURES.get(letter, letter) for letter in text))
    text = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    text = re.sub(r"(?<=\w)[ \t]*\n\s*\n\s*", ". ", text)  # a new paragraph is a new sentence
    text = re.sub(r"[‘’ʼ`´]", "'", text)
    text = re.sub(r"[“”„«»]", '"', text)
    text = re.sub(r"\s*(?:—|―|--+|\s[–-]\s)\s*", " — ", text)
    return re.sub("[–−]", "-", text).replace("\u2044", "/")


def tidy(text: str) -> str:
    """Drops what has no sound and sets the spaces right."""
    text = re.sub(r"\.{2,}", "…", text)
    text = re.sub(r"[()\[\]{}]", ", ", text)
    text = re.sub(r"[^A-Za-z'\-\".,?!;:—…\s]", " ", text)
    text = re.sub(r"(?<![A-Za-z])'|'(?![A-Za-z])", " ", re.sub(r"(s)'(?=\s)", r"\1", text))
    text = re.sub(r"(?<![A-Za-z])-|-(?![A-Za-z])", " ", text)
    text = re.sub(r"\s+([.,?!;:…])", r"\1", re.sub(r"\s+", " ", text))
    text = re.sub(r"([,;:])[,;:]+", r"\1", re.sub(r",([.?!…;:])", r"\1", text))
    text = re.sub(r"([.?!…]),", r"\1", text)
    text = re.sub(r"([!?])[!?.]+", r"\1", text).strip().lstrip(".,;:!?… ")
    return text if not text or text[-1] in '.,?!;:—…"' else text + "."
