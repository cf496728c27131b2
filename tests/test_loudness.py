"""Loudness is what EBU Tech 3341 says it is, and peaks stay under the ceiling."""

import numpy as np
import pytest

from retac_node.ops import loudness

RATE = 48_000


def tone(decibels: float, seconds: float, rate: int = RATE, hertz: float = 1000.0) -> np.ndarray:
    """A sine with that peak in both channels, (N, 2)."""
    one = 10 ** (decibels / 20) * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)
    return np.stack([one, one], axis=1).astype(np.float32)


@pytest.mark.parametrize("parts", [[(-23, 5)], [(-36, 2), (-23, 12), (-36, 2)], [(-72, 2), (-36, 2), (-23, 12)]])
def test_the_cases_of_the_standard_read_minus_23(parts: list[tuple[float, float]]) -> None:
    samples = np.concatenate([tone(decibels, seconds) for decibels, seconds in parts])
    assert loudness.loudness(samples, RATE) == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100])
def test_the_rate_does_not_matter(rate: int) -> None:
    assert loudness.loudness(tone(-30, 2, rate), rate) == pytest.approx(-30.0, abs=0.15)


def test_one_channel_is_3_lu_softer_and_silence_is_silent() -> None:
    assert loudness.loudness(tone(-23, 2)[:, 0], RATE) == pytest.approx(-26.0, abs=0.1)
    assert loudness.loudness(tone(-23, 0.2), RATE) == pytest.approx(-23.0, abs=0.3)
    assert loudness.loudness(np.zeros(RATE, np.float32), RATE) == loudness.SILENT
    assert loudness.loudness(np.zeros(0, np.float32), RATE) == loudness.SILENT


def test_a_peak_is_turned_down_and_the_rest_is_kept_bit_for_bit() -> None:
    samples = tone(-20, 1)
    samples[20_000:20_050] *= 12
    limited = loudness.limited(samples, RATE)
    assert loudness.true_peak(limited) <= 0.9
    changed = np.flatnonzero((limited != samples).any(axis=1))
    assert 18_500 < changed.min() < changed.max() < 21_600
    assert loudness.limited(tone(-20, 1), RATE) == pytest.approx(tone(-20, 1), abs=0)


def test_peaks_between_the_samples_count() -> None:
    samples = np.sin(np.pi / 2 * np.arange(4000) + np.pi / 4).astype(np.float32)  # reads .71, reaches 1
    assert loudness.true_peak(samples) == pytest.approx(1.0, abs=0.05)
    assert loudness.true_peak(loudness.limited(samples, RATE)[500:-500]) < 0.92
