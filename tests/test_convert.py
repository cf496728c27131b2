"""A line takes the timbre of a recording, sound by sound, and nothing else of it."""

import numpy as np
import pytest
from scipy.signal import lfilter

from retac_node.data import F32
from retac_node.ops import convert, sound

VOWELS = ((300, 2300), (700, 1200), (400, 800))  # Hz, first two formants


def talk(stretch: float, pitch: float = 110, rate: int = convert.RATE, seconds: float = 6.0) -> F32:
    """Buzzes through the vowels, a fifth of a second each, formants stretched by a factor; quiet between."""
    count = int(seconds * rate)
    buzz = (np.arange(count) % int(rate / pitch) == 0).astype(float)
    out = np.zeros(count)
    for number, start in enumerate(range(0, count, int(0.25 * rate))):
        piece = buzz[start : start + int(0.2 * rate)]
        for formant in VOWELS[number % 3]:
            turn, shrink = 2 * np.pi * formant * stretch / rate, np.exp(-np.pi * 90 / rate)
            piece = lfilter([1], [1, -2 * shrink * np.cos(turn), shrink**2], piece)
        out[start : start + len(piece)] = piece
    noise = np.random.default_rng(0).normal(size=count) * 1e-4
    return (0.3 * out / np.abs(out).max() + noise).astype(np.float32)


def apart(one: F32, other: F32) -> float:
    """Gives how far the envelopes of the same vowels are apart, dB."""
    first, second = (convert.decibels(convert.levelled(each)) for each in (one, other))
    spoken = convert.speaking(first) & convert.speaking(second)
    gap = (first - second)[spoken]
    return float(np.abs(gap - gap.mean(axis=1, keepdims=True)).mean())


def test_spectra_join_to_the_samples_they_came_from() -> None:
    line = talk(1.0)
    assert convert.joined(convert.short_spectra(line), len(line)) == pytest.approx(line, abs=1e-5)


def test_a_line_takes_the_envelopes_of_another_vocal_tract() -> None:
    line, person = talk(1.0), talk(1.15)
    held = convert.exemplars(person, convert.RATE)
    changed = convert.toward(line, held, convert.average_of(line, held))
    assert apart(changed, person) < 0.8 * apart(line, person)
    assert sound.median_pitch(changed, convert.RATE) == pytest.approx(110, rel=0.02)


def test_the_same_voice_is_left_nearly_as_it_is() -> None:
    line = talk(1.0)
    held = convert.exemplars(talk(1.0, seconds=4.0), convert.RATE)
    assert (
        apart(convert.toward(line, held, convert.average_of(line, held)), line) < 1.2
    )  # dB; another tract is 2.6 away


def test_a_telephone_gives_no_bands_that_it_does_not_carry() -> None:
    held = convert.exemplars(talk(1.0, rate=8000), 8000)
    assert convert.centres()[held.known - 1] < 4000
    assert np.isfinite(convert.toward(talk(1.1), held, convert.average_of(talk(1.1), held))).all()


def test_a_line_of_one_short_word_is_changed_too() -> None:
    line, held = talk(1.0), convert.exemplars(talk(1.15), convert.RATE)
    word = line[: int(0.2 * convert.RATE)]
    changed = convert.toward(word, held, convert.average_of(line, held))
    assert len(changed) == len(word)
    assert np.isfinite(changed).all()


def test_the_noise_of_a_recording_is_no_sound_of_the_person() -> None:
    person = np.pad(talk(1.0), (0, 2 * convert.RATE))
    hiss = np.random.default_rng(1).normal(0, 0.06 * person.std(), len(person)).astype(np.float32)
    clean, noisy = (len(convert.exemplars(each, convert.RATE).keys) for each in (person, person + hiss))
    assert noisy <= clean


def test_a_recording_without_a_pause_is_learnt_whole() -> None:
    steady = talk(1.0)[: int(0.2 * convert.RATE)]
    assert len(convert.exemplars(np.tile(steady, 10), convert.RATE).keys) > 150


def test_what_changes_from_sound_to_sound_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    line, held = talk(1.0), convert.exemplars(talk(1.2), convert.RATE)
    bands, own = convert.decibels(convert.levelled(line)), convert.average_of(line, held)
    soft = convert.gains(bands, held, own)[convert.speaking(bands)]
    monkeypatch.setattr(convert, "LIVELY", 1.0)
    whole = convert.gains(bands, held, own)[convert.speaking(bands)]
    assert soft.std(axis=0).mean() < 0.8 * whole.std(axis=0).mean()
    assert soft.mean(axis=0) == pytest.approx(whole.mean(axis=0), abs=1.5)  # dB
