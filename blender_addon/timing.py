"""When words and phonemes are spoken, as the node tells it, and where their markers go.  No bpy."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

Row = tuple[str, float, float]  # label, start and end in seconds
QUIET = 100  # phonemes of a line, at most, that get a marker each
FEW = 40  # phonemes of a clip, at most, for them to be marked at all: more of them hide its words


@dataclass(frozen=True)
class Timing:
    words: tuple[Row, ...] = ()
    phonemes: tuple[Row, ...] = ()


def read_timing(path: Path) -> Timing:
    """Reads timing.json or words.json.  Raises OSError, KeyError, ValueError where it is not such a file."""
    held = json.loads(path.read_text(encoding="utf-8"))
    rows = {
        name: tuple((row["label"], row["start"], row["end"]) for row in held[name]) for name in ("words", "phonemes")
    }
    return Timing(**rows)


def markers(timing: Timing, first: int, fps: float, phonemes: Sequence[Row] = ()) -> list[tuple[str, int]]:
    """Gives a marker for each word and, between slashes, for each of these phonemes, on the frame in which it starts."""
    spoken = ((f"/{label}/", start, end) for label, start, end in phonemes if label.strip())
    return [(label, first + int(start * fps + 1e-6)) for label, start, _ in (*timing.words, *spoken)]


def quoted(timing: Timing) -> Timing:
    """Puts the words in quotation marks: what the clip says, beside what it is made to say."""
    return Timing(tuple((f"“{label}”", start, end) for label, start, end in timing.words), timing.phonemes)
