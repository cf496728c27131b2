"""Cuts a line at its pauses, puts aside the words whose pronunciation it gives, finds the stressed.  Never phonemes.

The marks are those of retac_shared/marks.py.  What is left is normalised by ops/text.py, which must not see them.
"""

from dataclasses import dataclass

from retac_shared import marks

from retac_node.ops import text


@dataclass(frozen=True)
class Phrase:
    """What is said between two pauses."""

    text: str  # normalised, with a stand-in for each word whose pronunciation is given
    given: dict[str, marks.Spoken]  # stand-in -> word
    pause: float | None  # seconds of silence after it; None at the end
    stressed: frozenset[int] = frozenset()  # numbers of the words of `text` that stars stand around


def phrases(line: str) -> list[Phrase]:
    """Gives the phrases of a line.  Raises ValueError, as `marks.parts` does."""
    found: list[Phrase] = []
    written = ""
    given: dict[str, marks.Spoken] = {}
    for part in marks.parts(line):
        if isinstance(part, marks.Pause):
            found.append(phrase(before_pause(written), given, part.seconds))
            written, given = "", {}
        elif isinstance(part, marks.Spoken):
            name = stand_in(part, len(given))
            written += apart(written) + name
            given[name] = part
        else:
            written += (apart(part[::-1]) if given else "") + part
    return [*found, phrase(written, given, None)]


def phrase(written: str, given: dict[str, marks.Spoken], pause: float | None) -> Phrase:
    """Normalises what is said between two pauses.  A word's number is that of the words read before it."""
    stressed: set[int] = set()
    while match := marks.STRESSED.search(written):
        before, inside = written[: match.start()], match["words"]
        stressed |= set(range(count_words(before), count_words(before + inside)))
        written = before + inside + written[match.end() :]
    return Phrase(text.normalise(written), given, pause, frozenset(stressed))


def count_words(written: str) -> int:
    return sum(any(letter.isalpha() for letter in word) for word in text.normalise(written).split())


def stand_in(word: marks.Spoken, number: int) -> str:
    """Gives a word that no rule changes and no text has; with a vowel first where the word has one, for its article."""
    vowel = word.letters.lstrip("ˈˌ")[0] in marks.VOWELS
    return f"{'A' if vowel else 'Z'}qx{''.join('abcdefghij'[int(digit)] for digit in str(number))}q"


def apart(before: str) -> str:
    """A space, where a stand-in would grow together with what is written beside it."""
    return " " if before[-1:].isalnum() or before[-1:] in ("-", "'", "’", ")") else ""


def before_pause(written: str) -> str:
    """A phrase goes on after a pause, so it ends as before a comma."""
    written = written.rstrip()
    return written if written[-1:] in tuple(".,?!;:—…") else f"{written},"
