"""A noisy recording is cleared before a voice is learnt from it, a clean one is left as it is.  Sounds are made here."""

import numpy as np

from retac_node.ops import noise, sound

RATE = 16_000


def spoken(seconds: float = 6.0) -> np.ndarray:
    """Harmonics of a moving pitch that come and go like syllables, with silence every third second."""
    time = np.arange(int(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * time)) / RATE
    loud = np.clip(np.sin(2 * np.pi * 3 * time), 0, 1) * (time % 3 < 2)
    return (0.05 * loud * sum(np.sin(k * phase) / k for k in range(1, 20))).astype(np.float32)


def with_hiss(samples: np.ndarray, decibels: float) -> np.ndarray:
    level = 10 ** ((sound.gated_level(samples, RATE) - decibels) / 20)
    return (samples + level * np.random.default_rng(0).normal(size=len(samples))).astype(np.float32)


def error(samples: np.ndarray) -> float:
    """Power of what differs from the clean sound, dB under its own."""
    clean = spoken()
    return float(10 * np.log10(((samples - clean) ** 2).mean() / (clean**2).mean()))


def test_a_clean_recording_is_left_as_it_is() -> None:
    assert np.array_equal(noise.cleared(with_hiss(spoken(), 30), RATE), with_hiss(spoken(), 30))


def test_hiss_under_speech_is_taken_out() -> None:
    noisy = with_hiss(spoken(), 5)
    assert error(noise.cleared(noisy, RATE)) < error(noisy) - 6


def test_the_pitch_under_noise_stays() -> None:
    cleared = noise.cleared(with_hiss(spoken(), 5), RATE)
    assert abs(np.log2(sound.median_pitch(cleared, RATE) / sound.median_pitch(spoken(), RATE))) < 0.05


def test_noise_is_measured_in_decibels() -> None:
    measured = [noise.over_noise(with_hiss(spoken(), asked), RATE) for asked in (5, 10, 15)]
    assert np.allclose(np.diff(measured), 5, atol=2)
    assert measured[0] < noise.NOISY
