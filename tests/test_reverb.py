"""A room is heard from what is said in it, and a dry recording stays dry."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from retac_node.ops import reverb, room

RATE = 16_000


def talk(seconds: float = 12.0) -> np.ndarray:
    """Voiced syllables that end as fast as speech does, with gaps between; (N,) over a little noise."""
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 1e-4, int(seconds * RATE))
    at = 0
    while at < len(samples) - RATE:
        size = int(rng.uniform(0.08, 0.25) * RATE)
        time = np.arange(size + RATE // 8) / RATE
        loud = np.minimum(time / 0.02, 1) * 10 ** (-rng.uniform(150, 550) / 20 * np.maximum(time - size / RATE, 0))
        phase = 2 * np.pi * np.cumsum(rng.uniform(100, 160) * (1 + 0.1 * np.sin(5 * time))) / RATE
        samples[at : at + len(time)] += 0.1 * loud * sum(np.sin(k * phase) / k for k in range(1, 40))
        at += len(time) + int(rng.uniform(0, 0.2) * RATE)
    return samples.astype(np.float32)


def clarity(response: np.ndarray) -> float:
    early = int(reverb.EARLY * RATE)
    return 10 * np.log10((response[:early] ** 2).sum() / (response[early:] ** 2).sum())


def test_a_dry_voice_is_left_bit_for_bit() -> None:
    samples = talk()
    assert reverb.heard(samples, RATE) == reverb.DRY
    assert reverb.ringing(samples, RATE, reverb.DRY) is samples


@pytest.mark.parametrize(("wanted", "decay"), [(14.0, 0.3), (10.0, 0.5), (7.5, 0.65)])
def test_a_made_room_is_heard(wanted: float, decay: float) -> None:
    response = reverb.response(RATE, reverb.Ring(wanted, decay))
    assert clarity(response) == pytest.approx(wanted, abs=0.3)
    ring = reverb.heard(fftconvolve(talk(), response).astype(np.float32), RATE)
    assert ring.clarity == pytest.approx(wanted, abs=3.5)
    assert 0.5 < ring.decay / decay < 2


def test_the_tail_never_drowns_the_voice() -> None:
    response = reverb.response(RATE, reverb.Ring(2.5, 0.15))
    assert response[0] == 1
    assert (response[1:] ** 2).sum() <= 1.001


def test_the_first_reflections_are_faint() -> None:
    response = reverb.response(RATE, reverb.Ring(8.0, 0.6))
    first, grown = (np.abs(response[int(at * RATE) :][:160]).mean() for at in (0.001, reverb.ONSET))
    assert first < 0.5 * grown


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(RATE), np.random.default_rng(0).normal(0, 0.1, 5 * RATE)])
def test_silence_and_noise_are_no_room(samples: np.ndarray) -> None:
    assert reverb.heard(samples.astype(np.float32), RATE) == reverb.DRY


def test_the_noise_of_a_recording_is_not_spoken() -> None:
    hiss = np.diff(np.random.default_rng(1).normal(0, 0.002, 12 * RATE + 1)).astype(np.float32)
    clean, noisy = room.clear_spectrum(talk(), RATE), room.clear_spectrum(talk() + hiss, RATE)
    assert np.nanmax(np.abs((noisy - np.nanmedian(noisy - clean)) - clean)) < 1.5
