"""Measures loudness as ITU-R BS.1770-4 and EBU R128 do, and holds peaks under a ceiling.  Never tells speech from noise.

Samples are (N,) or (N, C) float32 in [-1, 1], C 1 or 2.
"""

import numpy as np
from scipy.ndimage import minimum_filter1d, uniform_filter1d
from scipy.signal import resample_poly, sosfilt

from retac_node.data import F32
from retac_node.ops import sound

RATE = 48_000  # Hz, of the standard's filter tables
WEIGHTING = np.array(
    [
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585],  # the head
        [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621],  # and the low end, that counts less
    ]
)
BLOCK, STEP = 0.400, 0.100  # seconds
SILENT = -70.0  # LUFS: quieter blocks never count
GATE = 10.0  # LU below the mean of the others: nor do these
LOOK = 0.003  # seconds over which the limiter comes in and goes


def loudness(samples: F32, rate: int) -> float:
    """Gives the integrated loudness in LUFS; SILENT where nothing is louder.  A sound under 0.4 s is one block."""
    if len(samples) == 0:
        return SILENT
    channels = samples if samples.ndim == 2 else samples[:, None]
    weighted = sosfilt(WEIGHTING, resample_poly(channels, RATE, rate, axis=0) if rate != RATE else channels, axis=0)
    size, step = min(int(BLOCK * RATE), len(weighted)), int(STEP * RATE)
    total = np.concatenate([[0.0], np.cumsum((weighted**2).sum(axis=1))])  # channels weigh the same, left and right
    starts = np.arange(0, len(weighted) - size + 1, step)
    power = (total[starts + size] - total[starts]) / size  # (blocks,)
    heard = power[lufs(power) > SILENT]
    if len(heard) == 0:
        return SILENT
    return float(lufs(heard[lufs(heard) > lufs(heard.mean()) - GATE].mean()))


def lufs(power: F32) -> F32:
    """Gives the loudness of a mean square of weighted samples."""
    return -0.691 + 10 * np.log10(np.maximum(power, 1e-12))


def speech_loudness(samples: F32, rate: int) -> float:
    """Gives the loudness of the parts in which someone speaks, LUFS."""
    mono = samples if samples.ndim == 1 else samples.mean(axis=1)
    spoken = np.repeat(sound.speaking(mono, rate), int(sound.HOP * rate))[: len(mono)]
    return loudness(samples[: len(spoken)][spoken], rate)


def true_peak(samples: F32) -> float:
    """Gives the highest value between the samples too, found at four times the rate."""
    return float(np.abs(resample_poly(samples, 4, 1, axis=0)).max()) if len(samples) else 0.0


def limited(samples: F32, rate: int, ceiling: float = 0.89) -> F32:
    """Turns down, for some milliseconds around them, the peaks over the ceiling (-1 dB, true peak); bit-equal elsewhere."""
    if np.abs(samples).max(initial=0) <= 0.5 * ceiling or true_peak(samples) <= ceiling:
        return samples
    channels = samples if samples.ndim == 2 else samples[:, None]
    peaks = np.abs(resample_poly(channels, 4, 1, axis=0)).max(axis=1).reshape(-1, 4).max(axis=1)  # (N,)
    width = 2 * int(LOOK * rate) + 1
    gain = minimum_filter1d(np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9)), 2 * width + 1)
    gain = uniform_filter1d(uniform_filter1d(gain, width), width)  # its smoothed minimum never exceeds it
    return (samples * (gain if samples.ndim == 1 else gain[:, None])).astype(np.float32)
