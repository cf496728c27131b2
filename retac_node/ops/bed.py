"""The background of a recording, without its speech: found, made longer, and laid where speech was.  Never speaks.

Samples are (N, C) float32, C 1 or 2.  It is laid out of the passages in which nobody speaks, each joined to the next by
a fade of equal power; where there is too little of them, out of noise of the same spectrum.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, minimum_filter1d, uniform_filter1d
from scipy.signal import fftconvolve

from retac_node.data import F32
from retac_node.ops import sound

BEFORE, AFTER = 0.06, 0.15  # seconds around speech that may still hold some of it, or its tail
LEAST = 0.25  # seconds of a passage
ENOUGH = 1.0  # seconds of passages that can be repeated without a rhythm
REPEAT = 4.0  # seconds of noise in their stead
FADE = 0.080  # seconds over which one sound gives way to another
WINDOW = 0.100  # seconds over which a level is measured
JOINS = (
    (0.100, 0.6),
    (0.050, 0.1),
)  # seconds at a join that are made alike in level, and until nothing of that is left
STEPS = (0.4, 2.5)  # by which a level is changed there at most
SILENT = 1e-5  # root mean square: nothing to hear
FRAME = 0.03  # seconds, in which a spectrum is measured: shorter than a gap between words
QUIETEST = 0.05  # of the frames, in each bin: there nobody speaks
LOWEST = -np.log(1 - QUIETEST / 0.5)  # power of noise there, of its mean, where speech fills half the frames of a bin

Span = tuple[int, int]


@dataclass(frozen=True)
class Bed:
    """What a recording sounds like between its words."""

    pieces: tuple[F32, ...]  # each (n, C), of mean power 1 over the channels
    free: NDArray[np.bool_]  # (N,) where nobody speaks
    level: F32  # (N,) root mean square of the background at each time


def find(samples: F32, rate: int) -> Bed:
    """Separates the background of a recording (N, C) from its speech."""
    mono = samples.mean(axis=1)
    spans = passages(mono, rate)
    free = np.zeros(len(mono), bool)
    for start, stop in spans:
        free[start:stop] = True
    if free.sum() >= ENOUGH * rate:
        pieces = tuple(samples[start:stop] for start, stop in spans)
    else:
        pieces = (likeness(samples, spans, rate),)
    level = level_over(samples, spans, rate) if spans else np.full(len(mono), power(pieces[0]))
    return Bed(tuple(piece / power(piece) for piece in pieces if power(piece) > SILENT), free, level)


def passages(mono: F32, rate: int) -> list[Span]:
    """Lists from which sample to which nobody speaks."""
    if len(mono) == 0:
        return []
    hop = int(sound.HOP * rate)
    spoken = sound.speaking(mono, rate)
    before, after = round(BEFORE / sound.HOP), round(AFTER / sound.HOP)
    reach = np.arange(-before - after, before + after + 1)
    near = binary_dilation(spoken, (reach >= -before) & (reach <= after))
    edges = np.flatnonzero(np.diff(np.concatenate([[True], near, [True]]).astype(np.int8)))
    spans = [(start * hop, min(stop * hop, len(mono))) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
    return [span for span in spans if span[1] - span[0] >= LEAST * rate]


def power(samples: F32) -> float:
    """Gives the root mean square over time and channels."""
    return float(np.sqrt((samples**2).mean())) if len(samples) else 0.0


def level_over(samples: F32, spans: Sequence[Span], rate: int) -> F32:
    """Gives the level of the background at each sample, (N,): measured in the passages, and between them in between."""
    half = int(WINDOW * rate / 2)
    at = np.concatenate([np.linspace(start + half, stop - half, 1 + (stop - start) // half) for start, stop in spans])
    measured = [power(samples[int(centre) - half : int(centre) + half]) for centre in at]
    decibels = np.log(np.maximum(measured, SILENT / 10))
    return np.exp(np.interp(np.arange(len(samples)), at, decibels)).astype(np.float32)


def likeness(samples: F32, spans: Sequence[Span], rate: int) -> F32:
    """Gives REPEAT seconds of noise, (n, C), with the spectrum of the passages, or of the quietest moments of each bin."""
    taps = 2 * int(FRAME * rate / 2)
    window = np.hanning(taps).astype(np.float32)
    noise = np.random.default_rng(0).normal(size=(int(REPEAT * rate) + taps, samples.shape[1]))
    made = []
    for channel in range(samples.shape[1]):
        parts = [samples[start:stop, channel] for start, stop in spans] or [samples[:, channel]]
        frames = [sound.frames_of(part, taps, taps // 2) for part in parts]
        bins = np.abs(np.fft.rfft(np.concatenate(frames) * window, axis=1)) ** 2  # (frames, taps / 2 + 1)
        mean = bins.mean(axis=0) if spans else np.quantile(bins, QUIETEST, axis=0) / LOWEST
        shape = np.roll(np.fft.irfft(np.sqrt(mean / (window**2).sum())), taps // 2) * window
        made.append(fftconvolve(noise[:, channel], shape, mode="valid"))
    return np.stack(made, axis=1).astype(np.float32)


def laid(bed: Bed, length: int, rate: int, channels: int) -> F32:
    """Joins pieces, chosen by chance and always the same, to (length, channels) of mean power 1."""
    if not bed.pieces:
        return np.zeros((length, channels), np.float32)
    chance = np.random.default_rng(0)
    sizes = np.array([len(piece) for piece in bed.pieces], float)
    result = np.zeros((0, channels), np.float32)
    while len(result) < length:
        piece = bed.pieces[chance.choice(len(sizes), p=sizes / sizes.sum())]
        result = joined(result, piece, min(int(FADE * rate), len(piece) // 3, len(result)))
    return result[:length]


def joined(first: F32, second: F32, fade: int) -> F32:
    """Gives one sound after the other, the second's first `fade` samples over the first's last, with equal power."""
    share = (np.arange(fade) + 0.5)[:, None] / max(fade, 1)
    both = mixed(first[len(first) - fade :], second[:fade], share)
    return np.concatenate([first[: len(first) - fade], both, second[fade:]])


def mixed(one: F32, other: F32, share: F32) -> F32:
    """Mixes two sounds that have nothing in common so that the power is kept; `share` is the other's, 0 to 1."""
    return (one * np.cos(share * np.pi / 2) + other * np.sin(share * np.pi / 2)).astype(np.float32)


def without_speech(samples: F32, rate: int, start: int, stop: int) -> F32:
    """Gives what is heard from `start` to `stop` of the recording (N, C) when nobody speaks there, (stop - start, C).

    Where nobody does, it is the recording itself.  At both ends it begins from the recording: a word that is cut off
    there fades within FADE.
    """
    bed, fade = find(samples, rate), int(FADE * rate)
    clear = minimum_filter1d(bed.free, 2 * fade + 1).astype(np.float32)
    own = uniform_filter1d(clear, 2 * fade + 1)[start:stop]  # falls to 0 before speech begins
    at = np.arange(stop - start)
    ends = 1 - np.minimum(np.minimum(at, at[::-1]) / fade, 1)
    share = 1 - np.maximum(own, ends)[:, None]  # (n, 1), the bed's
    made = laid(bed, stop - start, rate, samples.shape[1]) * bed.level[start:stop, None]
    made = mixed(samples[start:stop], made, share)
    near = int(WINDOW * rate)
    if bed.free[max(0, start - near) : start].all():
        made = evened(made, samples[:start], rate)
    if bed.free[stop : stop + near].all():
        made = evened(made[::-1], samples[stop:][::-1], rate)[::-1]
    return made


def evened(made: F32, before: F32, rate: int) -> F32:
    """Gives the beginning of `made` (n, C) the level at which `before` (m, C) ends: the least noise has its swells."""
    for near, settled in ((int(near * rate), int(settled * rate)) for near, settled in JOINS):
        step = np.clip(power(before[-near:]) / max(power(made[:near]), SILENT), *STEPS)
        made = made * step ** np.clip(1 - np.arange(len(made)) / settled, 0, 1)[:, None]
    return made.astype(np.float32)


def alone(samples: F32, rate: int, length: int) -> F32:
    """Gives (length, C) of the recording's background at its usual level."""
    bed = find(samples, rate)
    usual = float(np.median(bed.level[bed.free] if bed.free.any() else bed.level)) if len(bed.level) else 0.0
    return laid(bed, length, rate, samples.shape[1]) * usual
