"""Hiss beside a voice goes, the voice stays as it was."""

import numpy as np

from retac_node.ops import hiss

RATE = 24_000


def parts() -> tuple[np.ndarray, np.ndarray]:
    """Gives 0.1 s of hiss and 0.5 s of a voice."""
    rng = np.random.default_rng(0)
    time = np.arange(RATE // 2) / RATE
    noise = np.diff(np.diff(rng.normal(0, 0.1, RATE // 10 + 2))).astype(np.float32)  # strongest where it is highest
    return noise, sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 8)).astype(np.float32) * 0.2


def test_hiss_after_a_voice_goes() -> None:
    noise, voice = parts()
    cleared = hiss.none_after(np.concatenate([voice, noise]), RATE)
    assert np.abs(cleared[len(voice) + RATE // 50 :]).max() == 0
    assert np.array_equal(cleared[: len(voice) - RATE // 50], voice[: -RATE // 50])


def test_hiss_before_a_voice_goes() -> None:
    noise, voice = parts()
    cleared = hiss.none_before(np.concatenate([noise, voice]), RATE)
    assert np.abs(cleared[: len(noise) - RATE // 50]).max() == 0
    assert np.array_equal(cleared[len(noise) + RATE // 50 :], voice[RATE // 50 :])
    assert len(cleared) == len(noise) + len(voice)


def test_hiss_alone_is_left() -> None:
    noise, _ = parts()
    assert np.abs(hiss.none_before(noise, RATE)).max() > 0
