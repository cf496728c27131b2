"""What benchmarks/voice.py measures, and its tables in Markdown.  Never measures anything."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

SHORT = 4  # words: lines up to this long must be heard without an error
LONG = 100  # words: a line as long stands apart
GAP = 0.6  # seconds of silence that no phrase may have inside


@dataclass(frozen=True)
class Said:
    """A line that was spoken, and what the judges say of it."""

    speaker: str
    line: str
    heard: str
    words: int
    errors: int
    gaps: tuple[float, ...]  # seconds of each silence over GAP inside a phrase
    starts: tuple[float, ...]  # seconds by which each word begins after its forced alignment
    ends: tuple[float, ...]
    naturalness: float
    audio: float  # seconds
    work: float  # seconds of processor
    wall: float  # seconds


@dataclass(frozen=True)
class Likeness:
    speaker: str
    wall: float  # seconds to learn the voice
    to_reference: dict[str, float]  # mean cosine of the lines with the reference, by encoder
    to_held: dict[str, float]  # and with what was held back
    halves: dict[str, float]  # of the reference with what was held back: as like as it can be
    nearest: dict[str, str]  # who of all is nearest to the lines
    naturalness: float
    own_naturalness: float  # of the reference


@dataclass(frozen=True)
class Slot:
    speaker: str
    factor: float  # own length over slot
    short: float  # seconds by which the last sound ends before the slot
    length: float  # seconds of the sound less the slot's
    refused: str


@dataclass(frozen=True)
class Figures:
    likeness: tuple[Likeness, ...] = ()
    said: tuple[Said, ...] = ()
    slots: tuple[Slot, ...] = ()
    cosines: dict[str, list[list[float]]] = field(default_factory=dict)  # by encoder: speakers' lines x speakers


def tables(figures: Figures) -> list[str]:
    """Gives the tables in Markdown."""
    made = []
    if figures.likeness:
        made += [likeness_table(figures.likeness), *(matrix(name, figures) for name in figures.cosines)]
    if figures.said:
        made += [words_table(figures.said), wrong_table(figures.said)]
    if figures.slots:
        made.append(slots_table(figures.slots))
    return made


def likeness_table(rows: Sequence[Likeness]) -> str:
    names = list(rows[0].to_held)
    heads = [
        "speaker",
        *(f"{name}: {what}" for name in names for what in ("reference", "held back", "own halves", "nearest")),
    ]
    heads += ["DistillMOS", "reference's", "new speaker, s"]
    body = []
    for row in rows:
        cells = [row.speaker]
        for name in names:
            right = "right" if row.nearest[name] == row.speaker else row.nearest[name]
            cells += [f"{row.to_reference[name]:.2f}", f"{row.to_held[name]:.2f}", f"{row.halves[name]:.2f}", right]
        body.append([*cells, shown(row.naturalness), shown(row.own_naturalness), f"{row.wall:.1f}"])
    cells = ["mean"]
    for name in names:
        cells += [
            f"{mean(getattr(row, what)[name] for row in rows):.3f}" for what in ("to_reference", "to_held", "halves")
        ]
        cells.append(f"{sum(row.nearest[name] == row.speaker for row in rows)} of {len(rows)}")
    worst = max(row.wall for row in rows)
    totals = [shown(mean(row.naturalness for row in rows)), shown(mean(row.own_naturalness for row in rows))]
    return markdown(heads, [*body, [*cells, *totals, f"at most {worst:.1f}"]])


def matrix(name: str, figures: Figures) -> str:
    """Gives the cosine of each speaker's new lines with the speech of all that was held back."""
    names = [row.speaker for row in figures.likeness]
    body = [[who, *(f"{cosine:.2f}" for cosine in row)] for who, row in zip(names, figures.cosines[name], strict=True)]
    return markdown([f"{name}: says", *names], body)


def words_table(rows: Sequence[Said]) -> str:
    groups: list[tuple[str, Callable[[Said], bool]]] = [
        (f"1 to {SHORT} words", lambda row: len(row.line.split()) <= SHORT),
        (f"{SHORT + 1} to 24 words", lambda row: SHORT < len(row.line.split()) < 25),
        ("25 to 40 words", lambda row: 25 <= len(row.line.split()) < LONG),
        ("all of these", lambda row: len(row.line.split()) < LONG),
        ("about 300 words", lambda row: len(row.line.split()) >= LONG),
    ]
    heads = [
        "lines", "number", "word errors", f"gaps over {GAP} s", "word starts late, ms", "starts off, ms", "word ends late, ms",
        "ends off, ms", "timed words", "DistillMOS", "processor, s/s", "clock, s/s",
    ]  # fmt: skip
    body = [summary(name, chosen) for name, inside in groups if (chosen := [row for row in rows if inside(row)])]
    return markdown(heads, body)


def summary(name: str, rows: Sequence[Said]) -> list[str]:
    words, errors, audio = (
        sum(row.words for row in rows),
        sum(row.errors for row in rows),
        sum(row.audio for row in rows),
    )
    starts, ends = ([miss for row in rows for miss in getattr(row, edge)] for edge in ("starts", "ends"))
    return [
        name,
        f"{len(rows)}",
        f"{errors} of {words}, {errors / words:.1%}",
        f"{sum(len(row.gaps) for row in rows)}",
        *(f"{1000 * f:.0f}" for edge in (starts, ends) for f in (median(edge), median(map(abs, edge)))),
        f"{len(starts)}",
        shown(mean(row.naturalness for row in rows)),
        f"{sum(row.work for row in rows) / audio:.2f}",
        f"{sum(row.wall for row in rows) / audio:.2f}",
    ]


def wrong_table(rows: Sequence[Said]) -> str:
    wrong = [row for row in rows if row.errors or row.gaps]
    return markdown(
        ["speaker", "line", "heard", "errors", "gaps, s"],
        [[row.speaker, row.line[:200], row.heard[:200], f"{row.errors}", f"{row.gaps or ''}"] for row in wrong],
    )


def slots_table(rows: Sequence[Slot]) -> str:
    body = [
        [row.speaker, f"{row.factor}", shown(1000 * row.length), shown(1000 * row.short), row.refused] for row in rows
    ]
    return markdown(["speaker", "own length / slot", "sound less slot, ms", "quiet at the end, ms", "refused"], body)


def markdown(heads: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    rule = ["---", *("---:" for _ in heads[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rule, *body))


def shown(figure: float) -> str:
    return "" if np.isnan(figure) else f"{figure:.2f}"


def mean(values: Iterable[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def median(values: Iterable[float]) -> float:
    known = list(values)
    return float(np.median(known)) if known else float("nan")
