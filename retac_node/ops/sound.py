"""Measures and shapes speech: level, where someone speaks, pitch, long-term spectrum, silence at the ends.  Pure numpy.

Samples are (N,) float32 mono in [-1, 1].  Knows nothing of voices, words or files.
"""

from math import gcd

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve, firwin2, resample_poly

from retac_node.data import F32

HOP = 0.010  # seconds between measuring frames
FLOOR = -80.0  # dB, of digital silence
HEAD = 0.060  # seconds kept before the first sound
TAIL = 0.120  # and after the last
BANDS = np.geomspace(100, 10_000, 25)  # Hz, about four to the octave
FAINT = -85.0  # dB: less of the whole than that in a band is none


def resample(samples: F32, rate: int, wanted: int) -> F32:
    """Changes the rate by a band-limited polyphase filter; (N,) -> (ceil(N * wanted / rate),)."""
    if rate == wanted:
        return samples
    common = gcd(rate, wanted)
    return resample_poly(samples, wanted // common, rate // common).astype(np.float32)


def frames_of(samples: F32, size: int, hop: int) -> F32:
    """Cuts (N,) into overlapping frames (n, size) centred on multiples of hop; zeros beyond the ends."""
    padded = np.pad(samples, (size // 2, size))
    count = max(1, -(-len(samples) // hop))
    return np.lib.stride_tricks.sliding_window_view(padded, size)[: count * hop : hop]


def levels(samples: F32, rate: int) -> F32:
    """Gives the level in dB below full scale of each 10 ms, over 25 ms."""
    frames = frames_of(samples, int(0.025 * rate), int(HOP * rate))  # (n, size)
    return np.maximum(20 * np.log10(np.sqrt((frames**2).mean(axis=1)) + 1e-9), FLOOR).astype(np.float32)


def speaking(samples: F32, rate: int) -> NDArray[np.bool_]:
    """Tells for each 10 ms whether it is loud enough to be speech rather than the room.

    Loud is 9 dB over the quietest tenth and within 35 dB of the loudest; gaps under 0.2 s count as speech, bursts
    under 50 ms do not.
    """
    level = levels(samples, rate)
    quiet, loud = np.percentile(level, [10, 98])
    active = level > max(min(quiet + 9, loud - 15), loud - 35, -60)
    return without_runs(without_runs(active, False, 0.2), True, 0.05)


def without_runs(flags: NDArray[np.bool_], value: bool, shorter: float) -> NDArray[np.bool_]:
    """Turns over the inner runs of `value` that are shorter than the given seconds."""
    out = flags.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[not value], flags == value, [not value]]).astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=False):
        if (stop - start) * HOP < shorter and (value or (start > 0 and stop < len(flags))):
            out[start:stop] = not value
    return out


def speech_only(samples: F32, rate: int) -> F32:
    """Keeps what `speaking` marks, joined."""
    return samples[np.repeat(speaking(samples, rate), int(HOP * rate))[: len(samples)]]


def gated_level(samples: F32, rate: int) -> float:
    """Gives the level in dB of the speech alone: mean power of frames within 10 dB of the mean (as ITU-R BS.1770)."""
    power = 10 ** (levels(samples, rate) / 10)
    heard = power[power > 1e-7] if (power > 1e-7).any() else power
    return float(10 * np.log10(heard[heard >= heard.mean() / 10].mean()))


def overload(samples: F32) -> float:
    """Gives the share of the sound that stands near its highest peaks: under 0.03 in speech, over 0.05 when cut off.

    Near is 2.5 dB, so that a cut is found that a codec has rounded since.
    """
    heights = np.abs(samples)
    heard = heights[heights > 0.02 * heights.max(initial=1e-9)]
    return float((heard > 0.75 * np.percentile(heard, 99.9)).mean()) if len(heard) else 0.0


def trim(samples: F32, rate: int, head: float = HEAD, tail: float = TAIL) -> tuple[F32, int]:
    """Cuts silence at both ends to `head` and `tail` seconds, padding where there is less; fades the cut ends.

    Returns the samples and how many were cut at the start (negative where silence was added).
    """
    level = levels(samples, rate)
    heard = np.flatnonzero(level > max(level.max() - 45, -65))
    hop, pad_head, pad_tail = int(HOP * rate), int(head * rate), int(tail * rate)
    start = int(heard[0]) * hop - pad_head
    stop = (int(heard[-1]) + 1) * hop + pad_tail
    padded = np.pad(samples, (max(0, -start), max(0, stop - len(samples))))
    kept = padded[max(0, start) :][: stop - start].copy()
    return faded(kept, pad_head // 2, pad_tail // 2), start


def faded(samples: F32, first: int, last: int) -> F32:
    """Fades in over the first samples and out over the last, in half a cosine."""
    out = samples.copy()
    out[:first] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(first, dtype=np.float32) / max(first, 1))
    out[len(out) - last :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(last, dtype=np.float32) / max(last, 1))
    return out


def pitch(samples: F32, rate: int, low: float = 65, high: float = 400) -> F32:
    """Gives the fundamental frequency of each 10 ms in Hz; 0 where the sound is not voiced.

    The peak of the autocorrelation divided by that of the window (Boersma 1993), at 16 kHz over 3 periods of `low`.
    """
    signal = resample(samples, rate, 16_000)
    size = int(3 * 16_000 / low)
    window = np.hanning(size).astype(np.float32)
    frames = frames_of(signal, size, 160)  # (n, size)
    frames = (frames - frames.mean(axis=1, keepdims=True)) * window
    shape = autocorrelation(window[None])[0]
    shortest, longest = int(16_000 / high), int(16_000 / low)
    found = np.zeros(len(frames), np.float32)
    loud = levels(signal, 16_000)[: len(frames)] > gated_level(signal, 16_000) - 20
    for start in range(0, len(frames), 500):  # a few MB at a time
        rho = autocorrelation(frames[start : start + 500]) / shape  # (m, lags)
        lags = np.arange(shortest, longest)
        score = rho[:, shortest:longest] - 0.02 * np.log2(lags / shortest)  # a short period before its multiples
        best = score.argmax(axis=1)
        voiced = np.take_along_axis(rho, best[:, None] + shortest, 1)[:, 0] > 0.55
        inner = (best > 0) & (best < len(lags) - 1)
        period = best + shortest + peak_offset(rho, best + shortest)
        found[start : start + 500] = np.where(voiced & inner, 16_000 / period, 0)
    return np.where(loud, found, 0)


def peak_offset(curves: F32, peaks: NDArray[np.intp]) -> F32:
    """Gives how far the top of the parabola through three points lies from each peak, in lags within ±0.5."""
    before, at, after = (np.take_along_axis(curves, (peaks + step)[:, None], 1)[:, 0] for step in (-1, 0, 1))
    return np.clip(0.5 * (before - after) / np.minimum(before - 2 * at + after, -1e-6), -0.5, 0.5)


def autocorrelation(frames: F32) -> F32:
    """(n, size) -> (n, size / 2) normalised to 1 at lag 0."""
    size = frames.shape[1]
    spectrum = np.fft.rfft(frames, 2 * size, axis=1)
    lags = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, : size // 2]
    return (lags / np.maximum(lags[:, :1], 1e-12)).astype(np.float32)


def median_pitch(samples: F32, rate: int) -> float:
    """Gives the speaker's middle pitch in Hz; NaN when under 0.3 s is voiced."""
    found = pitch(samples, rate)
    found = found[found > 0]
    return float(np.median(found)) if len(found) >= 30 else float("nan")


def voiced(samples: F32, rate: int) -> float:
    """Gives the share of the speech that has a pitch: .4 to .9 of clear speech, under .25 of whispering."""
    spoken = speaking(samples, rate)
    found = pitch(samples, rate)[: len(spoken)] > 0
    return float(found[spoken[: len(found)]].mean()) if spoken.any() else 0.0


def long_term_spectrum(samples: F32, rate: int) -> F32:
    """Gives the mean power of speech in each of BANDS, dB; NaN in bands above the sound's own bandwidth."""
    power, whole = band_power(speech_only(samples, rate), rate)
    return in_decibels(power / whole)


def band_power(samples: F32, rate: int) -> tuple[F32, float]:
    """Gives the mean power in each of BANDS, (bands,), 0 in those that the rate cannot hold; and the whole power."""
    size = 2048 * max(1, rate // 24_000)
    frames = frames_of(samples, size, size // 2) * np.hanning(size).astype(np.float32)
    power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2).mean(axis=0)  # (size / 2 + 1,)
    hertz = np.fft.rfftfreq(size, 1 / rate)
    edge = np.sqrt(BANDS[1] / BANDS[0])
    inside = [(hertz >= band / edge) & (hertz < band * edge) & (band * edge < rate / 2) for band in BANDS]
    return np.array([power[within].mean() if within.any() else 0 for within in inside]), float(power.sum())


def in_decibels(share: F32) -> F32:
    """Gives shares of a power in dB; NaN where there is next to nothing."""
    decibels = 10 * np.log10(share + 1e-12)
    return np.where(decibels > FAINT, decibels, np.nan).astype(np.float32)


def matched_spectrum(samples: F32, rate: int, wanted: F32, most: float = 8.0) -> F32:
    """Filters the speech so that its long-term spectrum nears `wanted` (from `long_term_spectrum`), within ±most dB.

    The difference is smoothed over half an octave; the filter is linear in phase and shifts nothing in time.
    """
    gain = wanted - long_term_spectrum(samples, rate)  # (bands,)
    known = np.isfinite(gain)
    if known.sum() < 4:
        return samples
    gain = np.interp(np.arange(len(BANDS)), np.flatnonzero(known), gain[known])
    gain = np.convolve(np.pad(gain, 2, mode="edge"), [0.1, 0.2, 0.4, 0.2, 0.1], mode="valid")
    gain = np.clip(gain - np.median(gain), -most, most)
    grid = np.concatenate([[0.0], BANDS[rate / 2 * 0.98 > BANDS], [rate / 2]])
    inner = gain[: len(grid) - 2]
    taps = firwin2(1025, grid, 10 ** (np.concatenate([inner[:1], inner, inner[-1:]]) / 20), fs=rate)
    return fftconvolve(samples, taps, mode="same").astype(np.float32)


def at_level(samples: F32, rate: int, wanted: float, peak: float = 0.95) -> F32:
    """Scales the speech to a gated level in dB; less where a peak would pass `peak`."""
    gain = 10 ** ((wanted - gated_level(samples, rate)) / 20)
    return (samples * min(gain, peak / max(float(np.abs(samples).max()), 1e-9))).astype(np.float32)
