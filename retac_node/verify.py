"""`retac verify`: tells what a video says of how it was made, and whether its sound carries the mark.  Writes nothing."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retac_node import media
from retac_node.data import F32
from retac_node.errors import BadInput
from retac_node.models import watermark
from retac_node.ops import sound

WINDOW, STEP = 3.0, 1.0  # seconds that are listened to at once, where nothing says where the line is
CERTAIN = 0.9  # of the detector's answer: 1 of 100 passages without the mark reach it, see docs/VOICE.md
STATED = re.compile(r"from (\d+\.\d+) s to (\d+\.\d+) s")


@dataclass(frozen=True)
class Verdict:
    """What was found in a file."""

    provenance: str  # what its metadata says; "" where it says nothing of Re-TTAC
    marked: tuple[tuple[float, float], ...]  # from when to when the mark was heard, seconds
    certainty: float  # the detector's highest answer, 0 to 1


def verify(path: Path) -> Verdict:
    """Looks for the mark where the file says that the line is; where it does not say, everywhere.

    Raises BadInput for a file without sound or without the model that finds the mark.
    """
    said = provenance(path)
    samples, rate = media.read_audio(path)
    if len(samples) == 0:
        raise BadInput(f"{path.name} has no sound that could carry the mark; give a video or sound that was made here")
    found = [(span, heard(samples, rate, span)) for span in spans(said, len(samples) / rate)]
    return Verdict(said, merged([span for span, sure in found if sure >= CERTAIN]), max(sure for _, sure in found))


def told(verdict: Verdict, name: str) -> str:
    """Says in a sentence or two what was found.  Raises BadInput where the file should carry the mark and does not."""
    where = ", ".join(f"{start:.1f} to {stop:.1f} s" for start, stop in verdict.marked)
    sure = f"the detector says {verdict.certainty:.2f} of 1"
    if where:
        return f"{name}: the mark of synthetic speech is heard from {where} ({sure}). {verdict.provenance}".rstrip()
    if verdict.provenance and "speech" not in verdict.provenance:
        return f"{name}: its line is a recording and carries no mark ({sure}). {verdict.provenance}"
    if verdict.provenance:
        raise BadInput(
            f"{name} says that its speech is synthetic, but the mark is not heard ({sure}); its sound was changed since"
        )
    raise BadInput(
        f"{name} carries no mark that can be heard ({sure}) and does not say that it was made with Re-TTAC; "
        "it was not, or its sound and metadata were changed"
    )


def provenance(path: Path) -> str:
    with media.opened(path) as container:
        said = container.metadata.get("comment", "")
    return said if "Re-TTAC" in said else ""


def spans(said: str, seconds: float) -> list[tuple[float, float]]:
    """Gives what is listened to, seconds: the line where it is stated, else windows over all of it."""
    stated = STATED.search(said)
    if stated and float(stated[1]) < seconds:
        return [(float(stated[1]), min(float(stated[2]), seconds))]
    starts = np.arange(0, max(seconds - WINDOW, 0) + STEP, STEP)
    return [(float(start), min(float(start) + WINDOW, seconds)) for start in starts if start < seconds]


def heard(samples: F32, rate: int, span: tuple[float, float]) -> float:
    part = samples[int(span[0] * rate) : int(span[1] * rate)]
    return watermark.detect(part, rate) if sound.levels(part, rate).max() > sound.FLOOR else 0.0


def merged(spans: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Joins spans that meet; they are in order."""
    result: list[tuple[float, float]] = []
    for start, stop in spans:
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], stop)
        else:
            result.append((start, stop))
    return tuple(result)
