"""Reads a clip's facts, its constant-rate grid of frames and its sound.  Keeps no pixels; wants neither face nor voice.

A clip whose pictures come at a steady rate is its own grid, picture for picture.  A variable-rate clip is laid on a
grid of its nominal rate: each picture starts at the grid frame nearest to its time and is held until the next one, so
the duration is kept and no picture comes more than half a frame early or late.
"""

from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from retac_shared.options import IngestOptions

from retac_node import media
from retac_node.data import Clip
from retac_node.engine.stage import Context
from retac_node.errors import BadInput

LEAST_SECONDS = 2.0
MOST_SECONDS = 600.0
FASTEST = 120  # frames a second
LARGEST = 8192  # pixels, either side
WHOLE = 0.9  # a clip that ends before this share of its promised length is cut short
SHOWN = 0.98  # share of a variable-rate clip's pictures that its grid must show
WIDEST_GAP = 1.6  # of the median gap between pictures, where the rate is still steady
STANDARD = tuple(
    Fraction(rate) for rate in ("10", "12", "25/2", "15", "20", "24000/1001", "24", "25", "30000/1001", "30")
) + tuple(Fraction(rate) for rate in ("48000/1001", "48", "50", "60000/1001", "60", "100", "120000/1001", "120"))

Times = NDArray[np.float64]
Indices = NDArray[np.int64]


def run(ctx: Context, options: IngestOptions) -> Clip:
    """Reads the clip.  Raises BadInput: unreadable, no moving picture, cut short, too short, too long or too large."""
    path = ctx.source(options.sha256)
    facts = media.probe(path)
    check_size(path.name, facts)
    expected = 1 + round(facts.seconds * max(facts.rates[:1], default=Fraction(30)))
    spans = np.array(list(ctx.track(media.picture_times(path), expected, "reading the clip")))  # (P, 2) from, to
    times = spans[:, 0]
    if len(times) < 2:
        raise BadInput(f"{path.name} holds a single picture; give a clip with moving pictures of the speaker")
    check_length(path.name, float(spans.max() - times[0]), facts.seconds)
    fps, shown = grid(times, facts.rates)
    if fps > FASTEST:
        raise BadInput(f"{path.name} has {float(fps):g} frames a second and {FASTEST} can be used; convert it to fewer")
    warn_of_oddities(ctx, path.name, facts, fps, len(times), shown)
    samples, rate = media.read_audio(path)
    if rate > media.AAC_RATE:
        samples, rate = media.resampled(samples, rate, media.AAC_RATE), media.AAC_RATE
    return Clip(options.sha256, path.name, fps, times[shown], facts.width, facts.height, samples, rate)


def grid(times: Times, stated: Iterable[Fraction]) -> tuple[Fraction, Indices]:
    """Lays pictures, (P,) seconds ascending, on a constant-rate grid.

    Returns frames a second and (T,) which picture each grid frame shows.  The last picture shows for one frame: with
    B-frames the length that a container states for it belongs to another picture.
    """
    since, gaps = times - times[0], np.diff(times)
    usual = float(np.median(gaps))
    paces = Fraction(1 / usual), Fraction(1 / float(gaps.mean()))
    rates = sorted(
        {tidy(rate) for rate in (*stated, *paces) if rate > 0}, key=lambda rate: (rate not in STANDARD, rate)
    )
    best = min(rates, key=lambda rate: drift(since, rate))
    steady = drift(since, best) < 0.5 / best and gaps.max() < WIDEST_GAP * usual
    nominal = [rate for rate in rates if 0.9 / usual < rate <= FASTEST]  # slower ones would drop pictures
    grids = {rate: on_grid(since, rate) for rate in nominal}
    if steady or not grids:
        return best, np.arange(len(times))
    share = {rate: len(np.unique(shown)) / len(times) for rate, shown in grids.items()}
    wanted = min(SHOWN, max(share.values()))
    chosen = next(rate for rate in grids if share[rate] >= wanted)  # the slowest in common use, if any
    return chosen, grids[chosen]


def on_grid(since: Times, rate: Fraction) -> Indices:
    """Gives (T,) the last picture that starts no later than half a frame after each grid frame."""
    ticks = np.arange(1 + round(since[-1] * rate))
    return np.searchsorted(since, (ticks + 0.5) / float(rate), side="right") - 1


def drift(since: Times, rate: Fraction) -> float:
    """Gives the farthest any picture lies from its place at a steady rate, seconds."""
    return float(np.abs(since - np.arange(len(since)) / float(rate)).max())


def tidy(rate: Fraction) -> Fraction:
    """Gives the rate in common use that this one rounds, or the rate as a plain fraction."""
    nearest = min(STANDARD, key=lambda standard: abs(standard - rate))
    return nearest if abs(nearest - rate) < rate / 2000 else rate.limit_denominator(1001)


def check_size(name: str, facts: media.Facts) -> None:
    if max(facts.width, facts.height) > LARGEST:
        size = f"{facts.width} x {facts.height}"
        raise BadInput(f"{name} is {size} pixels and a side may have {LARGEST}; scale it down")
    if facts.seconds > MOST_SECONDS:
        raise BadInput(f"{name} lasts {facts.seconds:.0f} s and {MOST_SECONDS:.0f} s can be used; trim it to the shot")


def check_length(name: str, seconds: float, promised: float) -> None:
    if seconds < WHOLE * promised:
        raise BadInput(
            f"{name} is damaged: its picture ends at {seconds:.1f} s of the {promised:.1f} s that it announces; "
            "copy it again, or trim it to the part that plays"
        )
    if seconds < LEAST_SECONDS:
        raise BadInput(f"{name} lasts {seconds:.1f} s; give a clip of at least {LEAST_SECONDS:.0f} s")


def warn_of_oddities(ctx: Context, name: str, facts: media.Facts, fps: Fraction, pictures: int, shown: Indices) -> None:
    held = len(np.unique(shown))
    if not np.array_equal(shown, np.arange(pictures)):
        ctx.warn(
            f"{name} has a variable frame rate: {len(shown)} frames at {float(fps):g} a second "
            f"show {held} of its {pictures} pictures"
        )
    if facts.hdr:
        ctx.warn(f"{name} is HDR; its colours are kept as they are coded, convert it to SDR for true ones")
