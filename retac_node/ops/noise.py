"""Takes steady noise out of a recording that a voice is learnt from.  Never used on sound that is heard.

A Wiener filter over short spectra.  What speech has over the noise is followed from frame to frame (the "decision
directed" estimate of Ephraim and Malah 1984), which leaves no tones of single frames; the noise is what the quietest
frames hold.
"""

import numpy as np
from scipy.signal import istft, stft

from retac_node.data import F32
from retac_node.ops import sound

NOISY = 15.0  # dB of speech over noise; above that little is gained, and a room's tail is taken for noise
WINDOW = 0.032  # seconds
QUIETEST = 0.1  # of the frames
MORE = 2.0  # times their power is what the noise is taken to have, since it swells
MEMORY = 0.96  # of the last frame's estimate
LEAST = 0.1  # of the sound is left


def cleared(samples: F32, rate: int) -> F32:
    """Gives (N,) samples without their noise; as they are where speech is well above it."""
    return samples if over_noise(samples, rate) > NOISY else filtered(samples, rate)


def over_noise(samples: F32, rate: int) -> float:
    """Gives by how many dB the speech in (N,) samples is over the quietest tenth of the sound."""
    return sound.gated_level(samples, rate) - float(np.percentile(sound.levels(samples, rate), 100 * QUIETEST))


def filtered(samples: F32, rate: int) -> F32:
    """Filters (N,) samples."""
    size = 2 * round(WINDOW * rate / 2)
    _, _, spectra = stft(samples, rate, nperseg=size, noverlap=size * 3 // 4)  # (F, T)
    power = np.abs(spectra) ** 2
    loud = power.sum(axis=0)
    noise = MORE * power[:, loud <= np.quantile(loud, QUIETEST)].mean(axis=1) + 1e-12  # (F,)
    _, clear = istft(spectra * gains(power / noise[:, None]), rate, nperseg=size, noverlap=size * 3 // 4)
    return clear[: len(samples)].astype(np.float32)


def gains(over: F32) -> F32:
    """(F, T) power over the noise's -> the filter (F, T), LEAST to 1."""
    out, before = np.empty_like(over), np.zeros(len(over))
    for step, now in enumerate(over.T):
        speech = MEMORY * before + (1 - MEMORY) * np.maximum(now - 1, 0)
        out[:, step] = np.maximum(speech / (1 + speech), LEAST)
        before = out[:, step] ** 2 * now
    return out
