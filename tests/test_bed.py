"""The background goes on under a line: no word is left in it, no step, no click."""

import numpy as np
import pytest
from scipy.signal import lfilter

from retac_node.ops import bed

RATE = 16_000


def noise(seconds: float, level: float = 0.005, seed: int = 5) -> np.ndarray:
    """Rumble and hiss, (N, 2)."""
    white = np.random.default_rng(seed).normal(0, level, (int(seconds * RATE), 2))
    return lfilter([1], [1, -0.7], white, axis=0).astype(np.float32)


def spoken(words: list[tuple[float, float]], seconds: float = 6.0) -> np.ndarray:
    """Words from when to when, seconds, over noise."""
    samples = noise(seconds)
    for start, stop in words:
        part = slice(int(start * RATE), int(stop * RATE))
        samples[part] += 0.15 * np.random.default_rng(7).normal(size=(part.stop - part.start, 1)).astype(np.float32)
    return samples


def decibels(samples: np.ndarray) -> float:
    return 20 * np.log10(bed.power(samples))


@pytest.mark.parametrize("window", [0.02, 0.05, 0.1])
def test_no_step_at_joins_that_stand_in_the_background(window: float) -> None:
    samples = spoken([(0.5, 1.4), (2.0, 3.5), (4.4, 5.5)])
    start, stop, size = int(1.8 * RATE), int(3.9 * RATE), int(window * RATE)
    made = bed.without_speech(samples, RATE, start, stop)
    assert abs(decibels(samples[start - size : start]) - decibels(made[:size])) < 1
    assert abs(decibels(samples[stop : stop + size]) - decibels(made[-size:])) < 1
    windows = made[: len(made) // size * size].reshape(-1, size, 2)
    assert max(abs(decibels(each) - decibels(noise(6))) for each in windows) < (1.5 if window > 0.03 else 2.5)


def test_where_nobody_speaks_it_is_the_recording_itself() -> None:
    samples = spoken([(0.5, 1.4), (4.4, 5.5)])
    start, stop = int(1.8 * RATE), int(3.9 * RATE)
    made, settled = bed.without_speech(samples, RATE, start, stop), int(0.6 * RATE)
    assert np.allclose(made[settled:-settled], samples[start + settled : stop - settled], atol=1e-6)


def test_a_word_that_is_cut_off_fades_and_is_gone() -> None:
    samples = spoken([(0.5, 1.4), (2.0, 5.0)])
    start, stop = int(2.5 * RATE), int(4.5 * RATE)
    made, fade = bed.without_speech(samples, RATE, start, stop), int(bed.FADE * RATE)
    assert np.array_equal(made[0], samples[start])
    assert abs(decibels(made[: fade // 8]) - decibels(samples[start - fade // 8 : start])) < 1
    assert decibels(made[fade:-fade]) == pytest.approx(decibels(noise(6)), abs=0.5)


def test_with_too_little_background_noise_of_its_spectrum_stands_in() -> None:
    samples = spoken([(0.3, 5.9)])
    rng = np.random.default_rng(3)
    flow = np.repeat(rng.random(60) > 0.4, RATE // 10)[: len(samples), None]  # words without a pause of .25 s
    samples = noise(6) + (samples - noise(6)) * flow
    found = bed.find(samples, RATE)
    assert len(found.pieces) == 1
    assert decibels(bed.alone(samples, RATE, 4 * RATE)) == pytest.approx(decibels(noise(6)), abs=3)


def test_joined_pieces_keep_their_power() -> None:
    first, second = noise(1, seed=1), noise(1, seed=2)
    both = bed.joined(first, second, RATE // 10)
    assert len(both) == 2 * RATE - RATE // 10
    assert abs(decibels(both[RATE - RATE // 10 : RATE]) - decibels(first)) < 0.7


def test_a_silent_recording_has_a_silent_background() -> None:
    silent = np.zeros((3 * RATE, 2), np.float32)
    assert not bed.without_speech(silent, RATE, RATE, 2 * RATE).any()
    assert not bed.alone(silent, RATE, RATE).any()
    assert bed.alone(np.zeros((0, 1), np.float32), RATE, RATE).shape == (RATE, 1)


def test_the_same_recording_gives_the_same_background() -> None:
    samples = spoken([(0.5, 1.4), (2.0, 3.5)])
    assert np.array_equal(bed.alone(samples, RATE, 9 * RATE), bed.alone(samples, RATE, 9 * RATE))
