"""A user's own list of how words are spoken.  It is written into the line itself, so no stage or node ever sees it.

A line of the file is a word and its pronunciation, ARPABET or IPA between slashes; # begins a comment.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from retac_shared import marks

from retac_node import config
from retac_node.errors import BadInput

NAME = "lexicon.txt"  # in the user's configuration folder
WORD = re.compile(r"\w+(?:['’-]\w+)*")
POSSESSIVE = re.compile(r"['’]s$", re.IGNORECASE)
BIGGEST = 20_000_000  # bytes


def pronounced(text: str, file: Path | None, environment: Mapping[str, str] = os.environ) -> str:
    """Gives the line with its words marked as the user's own list says and, before that, as `file` says."""
    return applied(text, entries(file, environment))


def entries(file: Path | None, environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Gives the pronunciations of the user's own list and, before them, of `file`.  Raises BadInput."""
    own = config.user_folder("config", environment) / NAME
    return {**(read(own) if own.is_file() else {}), **(read(file) if file is not None else {})}


def read(file: Path) -> dict[str, str]:
    """Gives pronunciations by word in lower case; of two for one word the later counts.  Raises BadInput."""
    try:
        if file.stat().st_size > BIGGEST:
            raise BadInput(f"lexicon {file} has over {BIGGEST // 10**6} MB; give a list of words")
        rows = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"lexicon {file} cannot be read ({error}); give a text file in UTF-8") from None
    return dict(entry(row, f"lexicon {file.name}, line {number}") for number, row in enumerate(rows, 1) if filled(row))


def filled(row: str) -> str:
    return row.partition("#")[0].strip()


def entry(row: str, place: str) -> tuple[str, str]:
    word, _, phones = filled(row).partition(" " if "\t" not in row else "\t")
    if not WORD.fullmatch(word.strip()):
        raise BadInput(f"{place}: '{word.strip()}' is not one word; write WORD and its sounds, as in: Nguyen  W IH1 N")
    try:
        marks.letters(phones, word.strip())
    except ValueError as error:
        raise BadInput(f"{place}: {error}") from None
    return word.strip().lower().replace("’", "'"), phones.strip()


def applied(text: str, entries: Mapping[str, str]) -> str:
    """Marks the words that are listed, in capitals or not; words that are marked already stay as they are."""
    found, at = "", 0
    for match in marks.MARK.finditer(text):
        found += words_marked(text[at : match.start()], entries) + match[0]
        at = match.end()
    return found + words_marked(text[at:], entries)


def words_marked(text: str, entries: Mapping[str, str]) -> str:
    def marked(match: re.Match[str]) -> str:
        whole, bare = match[0], POSSESSIVE.sub("", match[0])
        for word in (whole, bare):
            if (phones := entries.get(word.lower().replace("’", "'"))) is not None:
                return f"[{word}]({phones}){whole[len(word) :]}"
        return whole

    return WORD.sub(marked, text)
