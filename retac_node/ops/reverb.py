"""Hears from speech alone how a room rings, and lets a dry line ring like it.  Never measures a room itself.

In a room no sound can end faster than the room lets it, so how fast speech falls off at its fastest tells the room: the
clarity from the tenth of its falls that are fastest, the decay from the middle one.  The two curves were fitted on
synthetic speech in made rooms (noise that decays, and image sources); docs/VOICE.md has how well they hold.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from retac_node.data import F32
from retac_node.ops import sound

BANDS = ((300, 900), (900, 2000), (2000, 4500))  # Hz
SPAN = 5  # frames of 10 ms over which a fall is measured
ABOVE = 8.0  # dB over the noise that it must stay
WITHIN = 35.0  # dB of the loudest that it must start in
LEAST = 100  # falls that are enough to tell
KNOWN = (2.0, 15.0)  # dB of clarity: below it is no room, above it no tail is heard
DECAYS = (0.15, 0.9)  # seconds
EARLY = 0.050  # seconds after the direct sound that belong to it
ONSET = 0.020  # seconds in which the tail grows, as reflections become many
CLEARER = 3.0  # dB by which the line is left clearer than the room: it is as like the person, and better understood
SOFT = 4000.0  # Hz, above which the tail falls off


@dataclass(frozen=True)
class Ring:
    """How a room answers."""

    clarity: float  # C50: energy of the first 50 ms over that of the rest, dB; infinite in a dry room
    decay: float  # T60: until it has fallen by 60 dB, seconds


DRY = Ring(float("inf"), 0.0)


def heard(samples: F32, rate: int) -> Ring:
    """Estimates the room from (N,) speech in it; DRY where there is no tail to hear, or too little to tell."""
    rates = falls(samples, rate)  # dB a second
    if len(rates) < LEAST:
        return DRY
    middle, fastest = np.log(np.percentile(rates, [50, 90]))
    clarity = 18.1 * fastest - 85.6
    if not KNOWN[0] < clarity < KNOWN[1]:
        return DRY
    return Ring(float(clarity), float(np.clip(np.exp(6.71 - 1.63 * middle), *DECAYS)))


def falls(samples: F32, rate: int) -> F32:
    """Gives how fast the sound falls wherever it does in three bands, (n,) dB a second."""
    at = np.arange(SPAN) - (SPAN - 1) / 2
    found = [np.zeros(0, np.float32)]
    for low, high in BANDS if len(samples) > SPAN * sound.HOP * rate else ():
        band = sosfilt(butter(3, (low, min(high, 0.47 * rate)), "bandpass", fs=rate, output="sos"), samples)
        level = sound.levels(band.astype(np.float32), rate)
        floor, top = np.percentile(level, [5, 98])
        runs = np.lib.stride_tricks.sliding_window_view(level, SPAN)  # (n, SPAN)
        slope = runs @ at / (at @ at) / sound.HOP
        found.append(-slope[(slope < 0) & (runs.min(axis=1) > floor + ABOVE) & (runs[:, 0] > top - WITHIN)])
    return np.concatenate(found)


def ringing(samples: F32, rate: int, ring: Ring) -> F32:
    """Lets a dry line ring, (N,) -> (N,): what would ring on beyond its end is cut."""
    if ring == DRY:
        return samples
    tail = response(rate, replace(ring, clarity=ring.clarity + CLEARER))
    return fftconvolve(samples, tail)[: len(samples)].astype(np.float32)


def response(rate: int, ring: Ring) -> F32:
    """Gives the impulse response: the direct sound and noise that decays, as loud as the clarity says.

    The tail is never louder than the direct sound.
    """
    noise = np.random.default_rng(0).normal(size=int(ring.decay * rate))
    time = np.arange(len(noise)) / rate
    tail = sosfilt(butter(1, min(SOFT, 0.4 * rate), fs=rate, output="sos"), noise) * 10 ** (-3 * time / ring.decay)
    tail *= np.minimum(time / ONSET, 1)
    early, late = (tail[time < EARLY] ** 2).sum(), (tail[time >= EARLY] ** 2).sum()
    needed = 10 ** (ring.clarity / 10) * late - early  # direct over tail, so that (1 + early) / late is the clarity
    tail /= np.sqrt(max(needed, early + late))
    tail[0] = 1.0
    return tail.astype(np.float32)
