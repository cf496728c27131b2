"""Sound is measured right and shaped without side effects."""

import numpy as np
import pytest

from retac_node.ops import sound

RATE = 16_000


def hum(hertz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    """A voiced sound: harmonics that fall by 6 dB an octave."""
    time = np.arange(int(seconds * rate)) / rate
    tones = [np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, int(3500 / hertz))]
    return (0.1 * np.sum(tones, axis=0)).astype(np.float32)


def with_silence(voice: np.ndarray, seconds: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1e-4, len(voice) + 2 * int(seconds * RATE)).astype(np.float32)
    noise[int(seconds * RATE) :][: len(voice)] += voice
    return noise


@pytest.mark.parametrize("hertz", [80.0, 117.0, 150.0, 210.0, 333.0])
def test_pitch_is_found_within_one_percent(hertz: float) -> None:
    assert sound.median_pitch(hum(hertz, 1.0), RATE) == pytest.approx(hertz, rel=0.01)


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert np.isnan(sound.median_pitch(noise, RATE))
    assert np.isnan(sound.median_pitch(np.zeros(RATE, np.float32), RATE))


def test_speaking_finds_the_loud_second() -> None:
    flags = sound.speaking(with_silence(hum(120, 1.0), 1.0), RATE)
    assert flags.sum() * sound.HOP == pytest.approx(1.0, abs=0.06)
    assert not sound.speaking(np.zeros(RATE, np.float32), RATE).any()


def test_trim_leaves_the_same_head_and_tail_for_any_silence() -> None:
    for silence in (0.0, 0.01, 0.5):
        kept, cut = sound.trim(with_silence(hum(120, 1.0), silence), RATE)
        assert len(kept) / RATE == pytest.approx(1.0 + sound.HEAD + sound.TAIL, abs=0.04)
        assert cut / RATE == pytest.approx(silence - sound.HEAD, abs=0.03)


def test_matched_spectrum_comes_nearer_and_keeps_time() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 3 * RATE).astype(np.float32)
    dull = np.convolve(noise, [0.2, 1, 0.2], mode="same").astype(np.float32)
    wanted = sound.long_term_spectrum(dull, RATE)
    before = sound.long_term_spectrum(noise, RATE) - wanted
    matched = sound.matched_spectrum(noise, RATE, wanted)
    after = sound.long_term_spectrum(matched, RATE) - wanted
    assert len(matched) == len(noise)
    assert np.nanstd(after) < 0.4 * np.nanstd(before)
    assert np.argmax(np.correlate(matched[:2000], noise[:2000], "full")) == 1999


def test_level_is_matched_and_peaks_are_kept() -> None:
    assert sound.gated_level(sound.at_level(hum(120, 1.0), RATE, -30.0), RATE) == pytest.approx(-30.0, abs=0.2)
    assert np.abs(sound.at_level(hum(120, 1.0), RATE, 20.0)).max() <= 0.951


def test_resample_keeps_length_and_tone() -> None:
    there = sound.resample(hum(150, 1.0), RATE, 24_000)
    assert len(there) == 24_000
    assert sound.median_pitch(there, 24_000) == pytest.approx(150, rel=0.01)
