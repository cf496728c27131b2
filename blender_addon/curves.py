"""Curves as numbers: few keys with handles for many values, what they leave out, weights over a range.  Never bpy.

A curve is T values at T frames in a row.  Sparse, it is the knots of a cubic Hermite spline; Blender's Bezier handles at
a third of the way to the next key are the same cubic, evaluated in the same way.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .steps import Steps, at_once

Array = NDArray[np.floating]
ROUNDS, EXACT = 60, 1e-4  # of a root that is searched, and the share of the way between two keys that it may miss


@dataclass(frozen=True)
class Spline:
    """A cubic between knots, smooth at each."""

    frames: Array  # (K,) ascending
    values: Array  # (K,)
    slopes: Array  # (K,) per frame

    def handles(self) -> tuple[Array, Array]:
        """Gives the left and right Bezier handles, (K, 2) frame and value each."""
        before, after = np.diff(self.frames, prepend=np.nan) / 3, np.diff(self.frames, append=np.nan) / 3  # (K,)
        before, after = (
            np.where(np.isnan(a), np.where(np.isnan(b), 1.0, b), a) for a, b in ((before, after), (after, before))
        )
        left = np.stack([self.frames - before, self.values - before * self.slopes], 1)
        right = np.stack([self.frames + after, self.values + after * self.slopes], 1)
        return left, right


def evaluate(spline: Spline, frames: Array) -> Array:
    """Gives the values (n,) at frames (n,); held beyond the ends."""
    if len(spline.frames) == 1:
        return np.full(len(frames), spline.values[0])
    at = np.clip(frames, spline.frames[0], spline.frames[-1])
    piece = np.clip(np.searchsorted(spline.frames, at, "right") - 1, 0, len(spline.frames) - 2)
    weights = hermite(spline.frames, piece, at)  # (4, n)
    knots = spline.values[piece], spline.values[piece + 1], spline.slopes[piece], spline.slopes[piece + 1]
    return np.einsum("kn,kn->n", weights, np.stack(knots))


def hermite(knots: Array, piece: NDArray[np.integer], at: Array) -> Array:
    """Gives the weights (4, n) of both ends' values and both ends' slopes."""
    length = knots[piece + 1] - knots[piece]
    t = (at - knots[piece]) / length
    return np.stack(
        [(1 + 2 * t) * (1 - t) ** 2, t * t * (3 - 2 * t), length * t * (1 - t) ** 2, length * t * t * (t - 1)]
    )


def bezier(co: Array, left: Array, right: Array, times: Array) -> Array:
    """Gives the values (n,) at times (n,) of a Bezier curve with K > 1 keys and handles, (K, 2) time and value each.

    As Blender has it: held beyond the ends, and a handle that reaches past the next key is shortened to it.
    """
    at = np.clip(times, co[0, 0], co[-1, 0])
    piece = np.clip(np.searchsorted(co[:, 0], at, "right") - 1, 0, len(co) - 2)
    start, end = co[piece].T.astype(np.float64), co[piece + 1].T.astype(np.float64)  # (2, n)
    span = end[0] - start[0]
    out, back = right[piece].T - start, end - left[piece + 1].T
    out, back = (arm / np.maximum(np.abs(arm[0]) / span, 1) for arm in (out, back))
    x = cubic(0.0, out[0] / span, 1 - back[0] / span, 1.0)
    y = cubic(start[1], start[1] + out[1], end[1] - back[1], end[1])
    return polynomial(y, root(x, (at - start[0]) / span))


def cubic(first: Any, second: Array, third: Array, last: Any) -> tuple[Any, Array, Array, Array]:
    """Gives the coefficients, of 1 to t^3, of Bezier pieces whose four points (n,) are told."""
    return first, 3 * (second - first), 3 * (first - 2 * second + third), last - first + 3 * (second - third)


def polynomial(c: tuple[Any, Array, Array, Array], t: Array) -> Array:
    return c[0] + t * (c[1] + t * (c[2] + t * c[3]))


def root(c: tuple[Any, Array, Array, Array], wanted: Array) -> Array:
    """Finds t (n,) in [0, 1] where rising cubics from 0 to 1 are `wanted`: Newton's steps, halved where they leave."""
    t, low, high = wanted.copy(), np.zeros_like(wanted), np.ones_like(wanted)
    for _ in range(ROUNDS):
        error = polynomial(c, t) - wanted
        off = np.abs(error) > EXACT
        if not off.any():
            break
        low, high = np.where(error < 0, t, low), np.where(error > 0, t, high)
        slope = c[1] + t * (2 * c[2] + t * 3 * c[3])
        newton = t - error / np.where(slope > 0, slope, np.inf)
        better = np.where((newton > low) & (newton < high), newton, (low + high) / 2)
        t = np.where(off, better, t)
    return t


def thinning(values: Array, tolerance: float) -> Steps[Spline]:
    """Lays as few knots through values (T,) at frames 0.. as keep within the tolerance at each.

    Between chosen knots the slopes are those of the least squares; a piece that strays is split where it strays most.
    """
    values = np.asarray(values, np.float64)
    frames = np.arange(len(values), dtype=np.float64)
    knots = np.unique([0, len(values) - 1])
    while True:
        spline = Spline(frames[knots], values[knots], slopes(values, knots))
        worst = strays(np.abs(evaluate(spline, frames) - values), knots, tolerance)
        if not len(worst):
            return spline
        knots = np.union1d(knots, worst)
        yield len(knots) / len(frames)


sparse = at_once(thinning)


def strays(error: Array, knots: NDArray[np.integer], tolerance: float) -> NDArray[np.integer]:
    """Gives the frame of the largest error of each piece that has one beyond the tolerance."""
    if len(knots) < 2:
        return knots[:0]
    starts = knots[:-1]
    peak = np.maximum.reduceat(error[: knots[-1] + 1], starts)  # (K - 1,); the knots themselves have none
    bad = np.flatnonzero(peak > tolerance)
    return np.array([starts[n] + int(error[starts[n] : knots[n + 1]].argmax()) for n in bad], np.intp)


def slopes(values: Array, knots: NDArray[np.integer]) -> Array:
    """Gives the slopes (K,) at the knots that bring the spline nearest to all values; the knots' own stand."""
    count = len(knots)
    if count == 1:
        return np.zeros(1)
    frames = np.arange(len(values), dtype=np.float64)
    piece = np.clip(np.searchsorted(knots, frames, "right") - 1, 0, count - 2)
    here, there, lean, lean_next = hermite(knots.astype(np.float64), piece, frames)
    rest = values - here * values[knots[piece]] - there * values[knots[piece + 1]]
    diagonal = np.bincount(piece, lean**2, count) + np.bincount(piece + 1, lean_next**2, count)
    beside = np.bincount(piece, lean * lean_next, count)[:-1]
    right = np.bincount(piece, lean * rest, count) + np.bincount(piece + 1, lean_next * rest, count)
    # a weak wish for the slope to the neighbours: neighbouring frames leave slopes undetermined
    span = np.gradient(values[knots].astype(np.float64), knots.astype(np.float64)) if count > 1 else np.zeros(1)
    weak = 1e-3
    return tridiagonal(diagonal + weak, beside, right + weak * span)


def tridiagonal(diagonal: Array, beside: Array, right: Array) -> Array:
    """Solves a symmetric system of a diagonal (K,) and its neighbour (K - 1,): Thomas's algorithm."""
    d, r, b = diagonal.tolist(), right.tolist(), beside.tolist()
    for n in range(1, len(d)):
        share = b[n - 1] / d[n - 1]
        d[n] -= share * b[n - 1]
        r[n] -= share * r[n - 1]
    found = [0.0] * len(d)
    found[-1] = r[-1] / d[-1]
    for n in range(len(d) - 2, -1, -1):
        found[n] = (r[n] - b[n] * found[n + 1]) / d[n]
    return np.array(found)


def smoothstep(t: Array) -> Array:
    """Rises from 0 to 1 over t in [0, 1] without a corner."""
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def hump(frames: Array, centre: float, reach: float) -> Array:
    """Gives weights (n,): 1 at the centre, falling smoothly to 0 `reach` frames away."""
    return 1 - smoothstep(np.abs(frames - centre) / max(reach, 1e-6))


def ends(count: int, reach: int) -> Array:
    """Gives (count,) weights: 1 at both ends, falling smoothly to 0 over `reach` frames."""
    away = np.minimum(np.arange(count), np.arange(count)[::-1])
    return 1 - smoothstep(away / max(reach, 1))


def bell(frames: Array, first: float, last: float, soft: float) -> Array:
    """Gives weights (n,): 1 from first to last, falling smoothly to 0 over `soft` frames outside."""
    outside = np.maximum(np.maximum(first - frames, frames - last), 0)
    return 1 - smoothstep(outside / soft) if soft > 0 else (outside == 0).astype(float)


def runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Gives the [start, stop) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]
