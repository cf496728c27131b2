"""Takes away the hiss that a synthetic voice makes before its first sound or after its last.  Never hears words.

A vowel, a nasal or an l is strongest below 2 kHz and has no hiss beside it; so who knows that a line begins or ends with
one knows that hiss there is none of its sounds.  Samples are (N,) float32.
"""

import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32
from retac_node.ops import sound

LOW, HIGH = 2_000.0, 3_500.0  # Hz: a voice is stronger below, hiss above
WITHIN = 35.0  # dB of the loudest: quieter is no voice
FADE = 0.010  # seconds


def none_before(samples: F32, rate: int) -> F32:
    """Silences what comes before the first voice."""
    hop = int(sound.HOP * rate)
    at = int(voices(samples, rate).argmax()) * hop
    fade = min(int(FADE * rate), at)
    return np.concatenate([np.zeros(at - fade, np.float32), sound.faded(samples[at - fade :], fade, 0)])


def none_after(samples: F32, rate: int) -> F32:
    """Silences what comes after the last voice."""
    return none_before(samples[::-1], rate)[::-1]


def voices(samples: F32, rate: int) -> NDArray[np.bool_]:
    """Tells for each 10 ms whether it is loud and its low sounds are louder than its high ones."""
    size = int(0.025 * rate)
    power = np.abs(np.fft.rfft(sound.frames_of(samples, size, int(sound.HOP * rate)) * np.hanning(size), axis=1)) ** 2
    hertz = np.fft.rfftfreq(size, 1 / rate)
    low, high = power[:, hertz < LOW].sum(axis=1), power[:, hertz > HIGH].sum(axis=1)
    return (low > high) & (low > low.max() * 10 ** (-WITHIN / 10))
