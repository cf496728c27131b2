"""Gives a spoken line the timbre of a person, sound by sound, after the frames of a recording of them.  Never learns.

Each frame of the line looks up the frames of the recording that are most like it once both speakers' averages are
taken away, and is filtered so that its spectral envelope becomes theirs (retrieval as in kNN-VC, Baas et al. 2023, but
of envelopes alone, in cepstra).  Pitch, times and words stay; what is smooth in time and frequency adds no roughness.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct
from scipy.ndimage import gaussian_filter1d

from retac_node.data import F32
from retac_node.ops import sound

RATE = 24_000  # Hz, of the line
SIZE, HOP = 1024, 240  # samples at RATE: 43 ms every 10 ms
BANDS = 36
LOWEST, HIGHEST = 80.0, 11_500.0  # Hz, centres of the first and the last band
LOWER = 20  # bands, up to 2.5 kHz, that tell how loud a frame is
NARROWEST = 300.0  # Hz from centre to edge, so that a band holds two harmonics of a high voice
SHAPE = 7_600.0  # Hz; sounds are told apart by the bands below
CEPSTRA = 14
AROUND = (-4, -2, 0, 2, 4)  # frames whose cepstra tell a sound together
NEIGHBOURS = 12
STEADY = 4.0  # frames, deviation of the smoothing in time
EVEN = 0.7  # bands, and in frequency
LIVELY = 0.6  # of how the change differs from sound to sound: all of it is more like the person, but rough
MOST = 15.0  # dB that a band is changed at most
LOUDEST = 32.0  # dB under the loud frames where speech ends
CLEAR = 4.0  # dB over the noise, in the mean: in fainter frames of a recording noise is heard, not the person
FEW = 50  # frames: with fewer of them all that are loud are taken
ABSENT = -45.0  # dB under its frame's mean: a band that even loud frames do not reach was never recorded
QUIET = 20  # frames of pauses that are enough to know the noise by
PART = 500  # frames that are looked up at once


@dataclass(frozen=True)
class Average:
    """A speaker's average and spread, which are taken away before sounds are compared."""

    mean: F32  # (CEPSTRA,)
    spread: F32  # (CEPSTRA,)


@dataclass(frozen=True)
class Exemplars:
    """The speaking frames of a recording."""

    keys: F32  # (M, D) what kind of sound
    bands: F32  # (M, BANDS) dB over the frame's mean
    known: int  # bands that the recording has, from the lowest on
    told: int  # of these, the bands by which sounds are told apart


def exemplars(samples: F32, rate: int) -> Exemplars:
    """Learns the frames of a recording, (N,) samples.  It must hold speech."""
    samples = levelled(sound.resample(samples, rate, RATE))
    bands = decibels(samples)  # (T, BANDS)
    spoken = speaking(bands) & out_of_noise(samples, bands)
    spoken = spoken if spoken.sum() > FEW else speaking(bands)
    centred = bands - bands[:, : BANDS * 2 // 3].mean(axis=1, keepdims=True)
    reached = np.percentile(centred[spoken], 95, axis=0) > ABSENT  # (BANDS,)
    reached &= centres() < 0.95 * rate / 2
    known = int(reached.argmin()) if not reached.all() else BANDS
    told = min(known, int((centres() < SHAPE).sum()))
    return Exemplars(keys(bands, told, average(bands, told, spoken))[spoken], centred[spoken], known, told)


def out_of_noise(samples: F32, bands: F32) -> NDArray[np.bool_]:
    """Tells which frames (T, BANDS) stand out of the noise in the pauses of a recording; all where there is no pause."""
    heard = sound.speaking(samples, RATE)
    heard = np.pad(heard, (0, len(bands) - len(heard)))
    if (~heard).sum() < QUIET:
        return np.ones(len(bands), bool)
    noise = 10 * np.log10((10 ** (bands[~heard] / 10)).mean(axis=0))  # (BANDS,) dB
    return heard & ((bands - noise)[:, :LOWER].mean(axis=1) > CLEAR)


def average_of(samples: F32, held: Exemplars) -> Average:
    """Measures how a voice of the engine speaks, from some seconds of it at RATE, for `toward`."""
    bands = decibels(levelled(samples))
    return average(bands, held.told, speaking(bands))


def toward(samples: F32, held: Exemplars, own: Average) -> F32:
    """Filters a line, (N,) at RATE, after the exemplars; `own` is the average of the voice that speaks it."""
    spectra = short_spectra(samples)  # (T, SIZE / 2 + 1)
    gain = gains(decibels_of(spectra * level_gain(samples)), held, own)  # (T, BANDS)
    curve = 10 ** (gain @ between_bands() / 20)
    return joined(spectra * curve, len(samples))


def gains(bands: F32, held: Exemplars, own: Average) -> F32:
    """Gives what to add to the bands (T, BANDS) of a line, dB; nothing where it is quiet."""
    spoken = speaking(bands)
    wanted = retrieved(keys(bands, held.told, own), held)  # (T, BANDS)
    centred = bands - bands[:, : BANDS * 2 // 3].mean(axis=1, keepdims=True)
    gain = wanted - gaussian_filter1d(centred, 1.0, axis=0)
    gain[:, held.known :] = gain[:, held.known - 1 : held.known]
    mean = gain[spoken].mean(axis=0)  # (BANDS,) what the line is given as a whole
    gain = mean + LIVELY * (gain - mean)
    gain = gaussian_filter1d(gaussian_filter1d(gain, STEADY, axis=0), EVEN, axis=1)
    gain = np.where(spoken[:, None], np.clip(gain, -MOST, MOST), 0)
    return gaussian_filter1d(gain, 1.5, axis=0).astype(np.float32)


def retrieved(asked: F32, held: Exemplars) -> F32:
    """Gives for each key (T, D) the mean of the bands of its nearest exemplars, near ones first; (T, BANDS)."""
    out = []
    count = min(NEIGHBOURS, len(held.keys))
    for start in range(0, len(asked), PART):
        part = asked[start : start + PART]
        square = (part**2).sum(1)[:, None] + (held.keys**2).sum(1)[None] - 2 * part @ held.keys.T  # (t, M)
        near = np.argpartition(square, count - 1, axis=1)[:, :count]
        far = np.maximum(np.take_along_axis(square, near, 1), 1e-6)
        weight = np.exp(-2 * far / far.min(axis=1, keepdims=True))
        weight /= weight.sum(axis=1, keepdims=True)
        out.append(np.einsum("tk,tkb->tb", weight, held.bands[near]))
    return np.concatenate(out)


def keys(bands: F32, told: int, own: Average) -> F32:
    """(T, BANDS) dB -> (T, D): cepstra less the speaker's average, with those of the frames around."""
    still = (cepstra(bands, told) - own.mean) / own.spread / np.sqrt(1 + 0.1 * np.arange(CEPSTRA, dtype=np.float32))
    padded = np.pad(still, ((-min(AROUND), max(AROUND)), (0, 0)), mode="edge")
    return np.concatenate([padded[step - min(AROUND) :][: len(still)] for step in AROUND], axis=1)


def average(bands: F32, told: int, spoken: NDArray[np.bool_]) -> Average:
    found = cepstra(bands, told)[spoken]
    return Average(found.mean(axis=0), found.std(axis=0) + 1e-3)


def cepstra(bands: F32, told: int) -> F32:
    """(T, BANDS) dB -> (T, CEPSTRA) of the bands by which sounds are told apart."""
    found = dct(bands[:, :told], axis=1, norm="ortho")[:, :CEPSTRA]
    return np.pad(found, ((0, 0), (0, CEPSTRA - found.shape[1]))).astype(np.float32)


def speaking(bands: F32) -> NDArray[np.bool_]:
    """Tells which of the frames (T, BANDS) are loud enough to be speech."""
    level = bands[:, :LOWER].mean(axis=1)
    return level > np.percentile(level, 97) - LOUDEST


def level_gain(samples: F32) -> float:
    """Gives the factor that brings a sound to -26 dB, so that thresholds hold for loud and quiet recordings."""
    return float(10 ** (-26 / 20) / max(float(np.sqrt((samples**2).mean())), 1e-6))


def levelled(samples: F32) -> F32:
    return samples * np.float32(level_gain(samples))


def decibels(samples: F32) -> F32:
    return decibels_of(short_spectra(samples))


def decibels_of(spectra: np.ndarray) -> F32:
    """(T, SIZE / 2 + 1) -> (T, BANDS) dB."""
    return 10 * np.log10(np.abs(spectra) ** 2 @ into_bands() + 1e-9).astype(np.float32)


def short_spectra(samples: F32) -> np.ndarray:
    """(N,) -> (T, SIZE / 2 + 1) complex, frames centred on multiples of HOP."""
    padded = np.pad(samples, (SIZE // 2, SIZE))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[: len(samples) + HOP : HOP]
    return np.fft.rfft(frames * window(), axis=1)


def joined(spectra: np.ndarray, count: int) -> F32:
    """Turns spectra back into (count,) samples, each frame weighted by its window (Griffin and Lim 1984)."""
    frames = np.fft.irfft(spectra, SIZE, axis=1) * window()
    out = np.zeros(SIZE + HOP * (len(frames) - 1))
    weight = np.zeros_like(out)
    for at, frame in zip(range(0, len(out), HOP), frames, strict=False):
        out[at : at + SIZE] += frame
        weight[at : at + SIZE] += window() ** 2
    return (out / np.maximum(weight, 1e-3))[SIZE // 2 :][:count].astype(np.float32)


@cache
def window() -> F32:
    return np.hanning(SIZE + 1)[:-1].astype(np.float32)


@cache
def centres() -> F32:
    """(BANDS,) Hz, evenly spread in mel."""
    low, high = (2595 * np.log10(1 + edge / 700) for edge in (LOWEST, HIGHEST))
    return (700 * (10 ** (np.linspace(low, high, BANDS) / 2595) - 1)).astype(np.float32)


@cache
def into_bands() -> F32:
    """(SIZE / 2 + 1, BANDS) triangles that give the mean power of each band."""
    hertz = np.fft.rfftfreq(SIZE, 1 / RATE)
    width = np.maximum(np.gradient(centres()), NARROWEST)
    weight = np.maximum(0, 1 - np.abs(hertz[:, None] - centres()) / width)
    return (weight / weight.sum(axis=0)).astype(np.float32)


@cache
def between_bands() -> F32:
    """(BANDS, SIZE / 2 + 1): straight lines from centre to centre, level beyond the outer ones."""
    hertz = np.fft.rfftfreq(SIZE, 1 / RATE)
    alone = np.eye(BANDS, dtype=np.float32)
    return np.stack([np.interp(hertz, centres(), one) for one in alone]).astype(np.float32)
