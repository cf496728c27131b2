"""What the motion network hears: MFCC on a grid in time, and which phoneme is spoken at each step of it.

The grid is in seconds, so a clip's frame rate plays no part (Yi et al. 2020 use MFCC windows too).
"""

import librosa
import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from retac_node.data import F32, Timed
from retac_node.ops.phonemes import PHONEMES, SILENCE

STEPS_PER_SECOND = 50
RATE = 16000  # Hz
HOP = RATE // STEPS_PER_SECOND
WINDOW = 2 * HOP  # 40 ms
CEPSTRA = 13
FEATURES = 2 * CEPSTRA
QUIET = 1e-3  # of the loudest: floor below which noise is not described
UNKNOWN = len(PHONEMES)  # the label where no phoneme is known


def heard(samples: F32, rate: int) -> F32:
    """Gives (N, 26) cepstra and their slopes at n / 50 s, each to mean 0 and deviation 1 over what is spoken."""
    sound = librosa.resample(samples, orig_sr=rate, target_sr=RATE) if rate != RATE else samples
    sound = np.pad(sound, (0, max(0, WINDOW * 8 - len(sound))))
    power = librosa.feature.melspectrogram(
        y=sound, sr=RATE, n_fft=WINDOW, hop_length=HOP, n_mels=40, fmin=60, fmax=7600, center=True
    )
    power = np.maximum(power, max(power.max(), 1e-10) * QUIET**2)
    cepstra = librosa.feature.mfcc(S=librosa.power_to_db(power), n_mfcc=CEPSTRA)
    both = np.concatenate([cepstra, librosa.feature.delta(cepstra, width=5)]).T  # (N, 26)
    loud = cepstra[0] > np.percentile(cepstra[0], 95) - 250  # speech rather than pauses sets the scale
    return ((both - both[loud].mean(0)) / (both[loud].std(0) + 1e-3)).astype(np.float32)


def spoken(phonemes: tuple[Timed, ...], steps: int) -> NDArray[np.int64]:
    """Gives the (N,) index into PHONEMES at each step; UNKNOWN everywhere when no phonemes are known."""
    labels = np.full(steps, PHONEMES.index(SILENCE) if phonemes else UNKNOWN, np.int64)
    for phoneme in phonemes:
        first, last = (round(time * STEPS_PER_SECOND) for time in (phoneme.start, phoneme.end))
        labels[max(first, 0) : max(last, first + 1)] = PHONEMES.index(phoneme.label)
    return labels


def at_frames(curve: F32, fps: float, frames: int) -> F32:
    """Reads a curve (N, C) on the 50 Hz grid at k / fps for k < frames, by cubic spline; held at its ends."""
    times = np.clip(np.arange(frames) / fps, 0, (len(curve) - 1) / STEPS_PER_SECOND)
    return CubicSpline(np.arange(len(curve)) / STEPS_PER_SECOND, curve, axis=0)(times).astype(np.float32)


def from_frames(curve: F32, fps: float, steps: int) -> F32:
    """The reverse: a curve (T, C) at k / fps read at n / 50 s for n < steps."""
    times = np.clip(np.arange(steps) / STEPS_PER_SECOND, 0, (len(curve) - 1) / fps)
    return CubicSpline(np.arange(len(curve)) / fps, curve, axis=0)(times).astype(np.float32)
