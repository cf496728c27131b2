"""Curves, histograms and sound as inline SVG text.  Pure: numbers in, text out; never chooses a colour.

Drawings are measured in units and scale with the page, whose style colours them.  Marks carry a class: `out` for what
was made, `src` for the source, `bad` for what to look at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32, Timed

WIDTH = 1000  # units, of a drawing across the whole page
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 24  # margins around the plot
ROW = 17  # units between two rows of words
LETTER = 6.6  # units that a letter takes, roughly
STEPS = (1, 2, 5)  # ticks stand on these times a power of ten


@dataclass(frozen=True)
class Curve:
    kind: str  # "out" or "src"
    values: F32  # (n,)


@dataclass(frozen=True)
class Dot:
    kind: str  # "out", "src" or "other"
    name: str
    x: float
    y: float


@dataclass(frozen=True)
class Frame:
    """Maps data to a plot of the given size: x in [0, end], y in [low, high]."""

    width: float
    height: float
    end: float
    low: float
    high: float

    def x(self, value: Any) -> Any:
        return LEFT + (self.width - LEFT - RIGHT) * value / self.end

    def y(self, value: Any) -> Any:
        return TOP + (self.height - TOP - BOTTOM) * (self.high - value) / (self.high - self.low)


def lines(
    curves: Sequence[Curve], fps: float, label: str, least: float = 0.0, width: float = WIDTH, height: float = 150
) -> str:
    """Draws curves of one length over seconds.  `least` is the smallest range that the y axis spans."""
    low, high = (float(fn([fn(curve.values) for curve in curves])) for fn in (np.min, np.max))
    spare = max(least - (high - low), 0.06 * (high - low), 1e-3) / 2
    count = max(len(curve.values) for curve in curves)
    frame = Frame(width, height, max(count - 1, 1) / fps, low - spare, high + spare)
    times = np.arange(count) / fps
    marks = [path(frame.x(times[: len(curve.values)]), frame.y(curve.values), curve.kind) for curve in curves]
    return svg(frame, label, [*axes(frame), *marks])


def histograms(
    first: NDArray[Any], second: NDArray[Any], edges: NDArray[Any], label: str, width: float, height: float
) -> str:
    """Lays two histograms (n,), each summing to 1, over each other: `first` the source's, `second` the output's."""
    span = float(edges[-1] - edges[0])
    frame = Frame(width, height, span, 0.0, 1.06 * float(max(first.max(), second.max())))
    marks = []
    for kind, values in (("src", first), ("out", second)):
        corners = np.repeat(edges - edges[0], 2)  # up and down at each edge
        heights = np.concatenate([[0], np.repeat(values, 2), [0]])
        marks.append(path(frame.x(corners), frame.y(heights), f"{kind} area"))
    middle = [tick for tick in ticks(float(edges[0]), float(edges[-1]), 6) if edges[0] <= tick <= edges[-1]]
    names = [text(frame.x(tick - edges[0]), height - 6, f"{tick:g}°", "middle") for tick in middle]
    return svg(frame, label, [ruler(frame, 0.0), *names, *marks])


def scatter(dots: Sequence[Dot], label: str, width: float, height: float) -> str:
    """Draws dots in one scale for both axes, each with its name where there is room; the last ones first."""
    low, high = (fn([[dot.x, dot.y] for dot in dots], axis=0) for fn in (np.min, np.max))
    middle, scale = (low + high) / 2, 0.86 * min(width, height) / max(float((high - low).max()), 1e-9)
    places = [(width / 2 + scale * (dot.x - middle[0]), height / 2 - scale * (dot.y - middle[1])) for dot in dots]
    marks = [f'<circle class="{dot.kind}" cx="{x:.1f}" cy="{y:.1f}" r="{3.5 if dot.kind == "other" else 6}"/>'
             for dot, (x, y) in zip(dots, places, strict=True)]  # fmt: skip
    taken = [(x - 5, x + 5, y) for x, y in places]  # left, right and height of what is there
    for dot, (x, y) in reversed(list(zip(dots, places, strict=True))):
        long = LETTER * len(dot.name)
        for left, anchor in ((x + 11, "start"), (x - 11 - long, "end")):
            if all(left + long < a or left > b or abs(y - c) > ROW - 4 for a, b, c in taken):
                taken.append((left, left + long, y))
                kind = "name" if dot.kind == "other" else "spoken"
                marks.append(text(left if anchor == "start" else left + long, y + 4, dot.name, anchor, kind))
                break
    return svg(Frame(width, height, 1.0, 0.0, 1.0), label, marks)


def sound(samples: F32, rate: int, words: Sequence[Timed], start: float, seconds: float, label: str) -> str:
    """Draws the waveform of [start, start + seconds) with each word above the time in which it is spoken."""
    spoken = [word for word in words if word.end > start and word.start < start + seconds]
    rows = word_rows(spoken, start, seconds)
    above = ROW * (max(rows, default=-1) + 1)
    frame = Frame(WIDTH, 110, seconds, -1.0, 1.0)
    part = samples[round(start * rate) : round((start + seconds) * rate)]
    times, peaks = envelope(part, rate)
    scale = max(float(np.abs(samples).max(initial=0)), 1e-3)
    outline = np.concatenate([peaks, -peaks[::-1]]) / scale
    marks = [*axes(frame, start, labelled_y=False)]
    for word, row in zip(spoken, rows, strict=True):
        left, right = (frame.x(np.clip(time - start, 0, seconds)) for time in (word.start, word.end))
        marks.append(rectangle("word", left, -6 - above, right - left, above + 94))
        marks.append(text(left + 2, -above + ROW * row + 6, word.label, "start", "spoken"))
    marks.append(path(frame.x(np.concatenate([times, times[::-1]])), frame.y(outline), "out area"))
    return svg(frame, label, marks, above)


def word_rows(words: Sequence[Timed], start: float, seconds: float) -> list[int]:
    """Gives each word the first row in which it does not run into the one before."""
    ends: list[float] = []
    rows = []
    for word in words:
        left = (word.start - start) / seconds * (WIDTH - LEFT - RIGHT)
        row = next((n for n, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [left + LETTER * (len(word.label) + 1)]
        rows.append(row)
    return rows


def envelope(samples: F32, rate: int) -> tuple[NDArray[Any], F32]:
    """Gives times (n,) and peaks (n,) of the sound, one for each hundredth of a second."""
    hop = max(1, rate // 100)
    count = len(samples) // hop
    peaks = np.abs(samples[: count * hop]).reshape(count, hop).max(axis=1) if count else np.zeros(1, np.float32)
    return (np.arange(len(peaks)) + 0.5) * hop / rate, peaks


def confidence(values: F32, fps: float, label: str) -> str:
    """Draws confidence (T,) over the clip; frames at 0, which were bridged, stand as bars of class `bad`."""
    frame = Frame(WIDTH, 110, len(values) / fps, 0.0, 1.05)
    marks = []
    for start, stop in runs(values <= 0):
        left, right = frame.x(start / fps), frame.x(stop / fps)
        marks.append(rectangle("bad", left, TOP, max(right - left, 2), frame.height - TOP - BOTTOM))
    marks.append(path(frame.x((np.arange(len(values)) + 0.5) / fps), frame.y(values), "out"))
    return svg(frame, label, [*axes(frame), *marks])


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Lists [start, stop) of each run of True in (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in zip(edges[::2], edges[1::2], strict=True)]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Gives at most `most` round values in [low, high], evenly spaced."""
    rough = max(high - low, 1e-9) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = next((times * power for times in STEPS if times * power >= rough), 10 * power)
    return [float(n * step) for n in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def axes(frame: Frame, start: float = 0.0, labelled_y: bool = True) -> list[str]:
    """Gives rulers with values for y and seconds, counted from `start`, for x."""
    marks = []
    for tick in ticks(frame.low, frame.high, 4) if labelled_y else [0.0]:
        marks.append(ruler(frame, tick))
        if labelled_y:
            marks.append(text(LEFT - 6, frame.y(tick) + 4, f"{tick:g}", "end"))
    for tick in ticks(start, start + frame.end, max(3, int(frame.width // 90))):
        marks.append(text(frame.x(tick - start), frame.height - 6, f"{tick:g} s", "middle"))
    return marks


def ruler(frame: Frame, value: float) -> str:
    y = frame.y(value)
    return f'<line class="ruler" x1="{LEFT}" x2="{frame.width - RIGHT:g}" y1="{y:.1f}" y2="{y:.1f}"/>'


def rectangle(kind: str, left: float, top: float, width: float, height: float) -> str:
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}"/>'


def path(x: NDArray[Any], y: NDArray[Any], kind: str) -> str:
    points = "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True))
    return f'<path class="{kind}" d="M{points}{"Z" if kind.endswith("area") else ""}"/>'


def text(x: float, y: float, words: str, anchor: str, kind: str = "tick") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def svg(frame: Frame, label: str, marks: Sequence[str], above: float = 0.0) -> str:
    """Joins the marks; `above` is room over the plot."""
    box = f"0 {-above:g} {frame.width:g} {frame.height + above:g}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(label, quote=True)}">{"".join(marks)}</svg>'
