"""The style and the tune in which Kokoro speaks come near to a voice, and are found once."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from retac_node import assets
from retac_node.data import Speaker
from retac_node.models import kokoro, learnt, speaker, style
from retac_node.ops import convert, reverb, room, sound
from retac_node.ops.convert import Average

RATE = 16_000
needs_model = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")
LINE = "We always thought that the boy could choose."


def humming(pitch: float, spread: float) -> Speaker:
    """A voice whose pitch swings around a middle by `spread` octaves."""
    octaves = spread * np.sin(2 * np.pi * np.arange(4 * RATE) / RATE)
    phase = np.cumsum(2 * np.pi * pitch * 2**octaves / RATE)
    samples = sum(np.sin(number * phase) / number for number in range(1, 8)).astype(np.float32) * 0.1
    return Speaker("hum", samples, RATE, np.full(256, 1 / 16, np.float32), pitch, -20.0, np.zeros(25, np.float32))


def contour(pitch: float, spread: float) -> np.ndarray:
    return (pitch * 2 ** (spread * np.sin(np.linspace(0, 40, 1000)))).astype(np.float32)


def test_the_tune_moves_a_contour_to_the_middle_and_range_of_the_person() -> None:
    own = contour(200, 0.30)
    tune = style.tuned(humming(180, 0.25), own)
    moved = tune.factor * own**tune.spread
    assert np.median(moved) == pytest.approx(180, rel=0.02)
    assert style.octaves_around(moved) == pytest.approx(0.25 * np.sqrt(0.5), rel=0.1)


def test_a_tune_stays_within_what_sounds_like_a_person() -> None:
    tune = style.tuned(humming(390, 0.02), contour(90, 0.5))
    assert (tune.pitch, tune.spread) == (style.PITCHES[1], style.SPREADS[0])


def test_a_high_person_gets_the_ways_of_a_high_voice() -> None:
    bank = kokoro.load_voices()
    low = int(bank.pitches.argmin())
    voice = replace(humming(230, 0.1), embedding=bank.embeddings[low])
    away = style.TUNEFUL * np.log2(bank.pitches / voice.pitch)
    weights = style.nearest_mix(bank.embeddings, voice.embedding, away)
    assert np.exp(weights @ np.log(bank.pitches)) > 1.3 * bank.pitches[low]
    assert style.nearest_mix(bank.embeddings, voice.embedding)[low] == pytest.approx(1, abs=1e-3)


def test_a_step_goes_where_the_embedding_says() -> None:
    encoder = style.load()
    along = np.zeros(len(encoder.slopes), np.float32)
    along[0] = 1
    step = encoder.step(along @ encoder.slopes)
    assert step @ encoder.directions[0] > 0.3 * encoder.directions[0] @ encoder.directions[0]
    assert not encoder.step(np.zeros(256, np.float32)).any()


def test_a_sample_is_compared_as_it_sounds_in_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, heard = sound.resample(humming(150, 0.1).samples, RATE, kokoro.RATE), []
    monkeypatch.setattr(kokoro, "speak", lambda *_, **__: kokoro.Utterance(plain, (), ()))
    monkeypatch.setattr(speaker, "embed", lambda samples, _: heard.append(samples))
    hall = room.Room(-20.0, np.full(25, np.nan, np.float32), reverb.Ring(6.0, 0.6))
    held = convert.exemplars(humming(120, 0.1).samples, RATE)
    style.tried(None, np.zeros((510, 256), np.float32), kokoro.PLAIN, held, hall)
    rest = heard[0][len(plain) + 100 :]
    assert sound.gated_level(rest, kokoro.RATE) > sound.gated_level(heard[0], kokoro.RATE) - 30


def test_a_style_is_read_back_as_it_was_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    average = Average(np.ones(14, np.float32), np.full(14, 2, np.float32))
    kept = style.Style(np.ones((510, 256), np.float32), kokoro.Tune(1.1, 0.9, 200.0), average)
    file = tmp_path / "voices" / "one.safetensors"
    learnt.write(file, kept)
    found = learnt.read(file)
    assert found is not None
    assert found.tune == kept.tune
    assert (found.styles == kept.styles).all()
    file.write_bytes(b"half")
    assert learnt.read(file) is None
    assert learnt.read(tmp_path / "none") is None


@needs_model
def test_a_spoken_line_has_the_pitch_and_range_of_its_tune() -> None:
    model = assets.path("kokoro")
    session, styles = kokoro.load(model), kokoro.load_voices().mixed(np.eye(28, dtype=np.float32)[3])
    own = kokoro.hummed(kokoro.load_contour(model), styles, LINE)
    found = []
    for spread in (0.6, 1.2):
        tune = kokoro.Tune(1.2, spread, float(np.median(own)))
        pitch = sound.pitch(kokoro.speak(session, styles, LINE, tune=tune).samples, kokoro.RATE)
        found.append(pitch[pitch > 0])
    narrow, wide = found
    assert np.median(narrow) == pytest.approx(1.2 * np.median(own), rel=0.06)
    assert style.octaves_around(narrow) < 0.8 * style.octaves_around(wide)
