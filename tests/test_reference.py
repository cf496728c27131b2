"""What cannot be a voice to imitate is refused in one sentence, and what is only bad is used."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from retac_shared.options import VoiceOptions

from retac_node import assets, media
from retac_node.data import Clip
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import activity, clone, crowd, flaws, kokoro, speaker
from retac_node.ops import sound
from retac_node.stages import voice

RATE = 24_000
MATERIAL = Path(os.environ.get("RETAC_MATERIAL", Path(__file__).parents[2] / "shared" / "material"))
needs_material = pytest.mark.skipif(not MATERIAL.exists(), reason="no test material here")
NEEDED = ("kokoro", "speaker_encoder", "perth", "voice_activity", "overlap")
pytestmark = pytest.mark.skipif(not all(assets.available(name) for name in NEEDED), reason="no voice models here")


@pytest.fixture(scope="module")
def talk() -> np.ndarray:
    """Five seconds of a made voice."""
    return said(12, "The morning train was late again, so we walked along the river and talked about the summer.")


def said(number: int, line: str) -> np.ndarray:
    """A line in one of the bank's voices."""
    bank = kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[number])
    return kokoro.speak(kokoro.load(assets.path("kokoro")), styles, line).samples


def music(seconds: float, kind: str) -> np.ndarray:
    """A tune with drums: notes of harmonics that are struck and fade, or are held."""
    rng, step = np.random.default_rng(3), RATE // 2
    out = np.zeros(int(seconds * RATE))
    time = np.arange(step) / RATE
    fade = np.exp(-4 * time) if kind == "piano" else np.minimum(1, (0.5 - time) / 0.05)
    for start in range(0, len(out) - step, step):
        hertz = 220 * 2 ** (rng.choice([0, 2, 4, 5, 7, 9, 11, 12]) / 12)
        out[start : start + step] += fade * sum(np.sin(2 * np.pi * hertz * k * time) / k for k in range(1, 7))
        out[start : start + step // 4] += rng.normal(0, 0.5, step // 4) * np.exp(-60 * time[: step // 4])
    return (0.2 * out).astype(np.float32)


def say_after(folder: Path, samples: np.ndarray) -> None:
    """Has a clip with this sound say a line."""
    clip = Clip("0", "shot.mp4", Fraction(25), np.zeros(50), 64, 64, samples.astype(np.float32), RATE)
    voice.run(Context(folder, "cpu"), VoiceOptions("Hello."), clip)


@pytest.mark.parametrize("kind", ["piano", "organ"])
def test_music_alone_is_no_voice(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadInput, match=r"^shot.mp4 sounds like music or noise: .*--voice$"):
        say_after(tmp_path, music(6, kind))


def test_half_a_second_of_speech_is_too_little(tmp_path: Path, talk: np.ndarray) -> None:
    with pytest.raises(
        BadInput, match=r"^shot.mp4 has 0\.\d s of audible speech and the voice needs 0\.9 s; .*--voice$"
    ):
        say_after(tmp_path, talk[RATE : RATE + RATE // 2])


def test_speech_over_music_is_a_voice(talk: np.ndarray) -> None:
    mixed = talk + 0.3 * np.abs(talk).max() * music(len(talk) / RATE, "piano")[: len(talk)]
    assert activity.seconds_of_speech(mixed, RATE) > 0.7 * activity.seconds_of_speech(talk, RATE) > 2


@needs_material
def test_two_people_who_take_turns_are_noticed() -> None:
    files = ("jfk.flac", "librispeech/3080/3080-5032-0001.flac")
    (one, rate), (two, _) = (media.read_audio(MATERIAL / "speech" / name) for name in files)
    turns = [part[at : at + 3 * rate] / part.std() for at in (0, 3 * rate) for part in (one, two)]
    assert crowd.several(np.concatenate(turns), rate)


def test_two_people_at_the_same_moment_are_noticed(talk: np.ndarray) -> None:
    other = said(3, "Could you bring the blue folder, please? I left it near the window.")
    size = min(len(talk), len(other))
    both = talk[:size] / talk.std() + 0.6 * other[:size] / other.std()
    assert crowd.together(0.05 * both, RATE)
    assert not crowd.together(other, RATE)


@needs_material
def test_two_recorded_people_at_the_same_moment_are_noticed() -> None:
    files = ("librispeech/1688/1688-142285-0001.flac", "librispeech/3080/3080-5032-0001.flac")
    (one, rate), (two, _) = (media.read_audio(MATERIAL / "speech" / name) for name in files)
    size = min(len(one), len(two), 8 * rate)
    assert crowd.together(0.05 * (one[:size] / one.std() + two[:size] / two.std()), rate)


def test_one_voice_is_not_two_through_a_telephone_cut_off_or_over_music(talk: np.ndarray) -> None:
    telephone = sound.resample(talk, RATE, 8000)
    cut = np.clip(5 * talk / np.abs(talk).max(), -1, 1)
    over_music = talk + 0.3 * np.abs(talk).max() * music(len(talk) / RATE, "organ")[: len(talk)]
    assert not any(crowd.together(*heard) for heard in ((telephone, 8000), (cut, RATE), (over_music, RATE)))


@needs_material
@pytest.mark.parametrize("name", ["jfk.flac", "librispeech/367/367-130732-0005.flac"])
def test_one_person_is_one_voice(name: str) -> None:
    samples, rate = media.read_audio(MATERIAL / "speech" / name)
    assert not crowd.several(samples, rate)


def test_vectors_in_two_heaps_make_two_groups() -> None:
    rng = np.random.default_rng(0)
    heaps = np.repeat(np.eye(8), (5, 3, 0, 0, 0, 0, 0, 0), axis=0) + rng.normal(0, 0.05, (8, 8))
    one, two, first = crowd.groups((heaps / np.linalg.norm(heaps, axis=1, keepdims=True)).astype(np.float32))
    assert sorted([first.sum(), (~first).sum()]) == [3, 5]
    assert one @ two < 0.2


@pytest.mark.parametrize("gain", [5, 20])
def test_an_overloaded_voice_is_used_and_said_to_be_overloaded(talk: np.ndarray, gain: float) -> None:
    cut = np.clip(gain * talk / np.abs(talk).max(), -1, 1)
    through_a_codec = sound.resample(sound.resample(0.7 * cut, RATE, 32_000), 32_000, RATE)
    assert sound.overload(talk) < 0.6 * flaws.OVERLOAD
    assert min(sound.overload(cut), sound.overload(through_a_codec)) > flaws.OVERLOAD
    clean = clone.learn(talk, RATE, "clean")
    assert clone.learn(cut, RATE, "cut").pitch == pytest.approx(clean.pitch, rel=0.05)


def test_the_sentence_on_an_overloaded_clip_asks_for_a_clean_one(talk: np.ndarray) -> None:
    (sentence,) = flaws.flaws(np.clip(20 * talk / np.abs(talk).max(), -1, 1), RATE, "shot.mp4")
    assert "shot.mp4 is cut off at its peaks" in sentence
    assert "--voice" in sentence


def test_a_good_recording_has_no_flaws(talk: np.ndarray) -> None:
    assert not list(flaws.flaws(talk, RATE, "shot.mp4"))


def test_noise_as_loud_as_the_voice_is_said_to_be_there(talk: np.ndarray) -> None:
    hiss = np.random.default_rng(0).normal(0, 10 ** (sound.gated_level(talk, RATE) / 20), len(talk))
    assert any("hardly louder than the noise" in each for each in flaws.flaws(talk + hiss, RATE, "shot.mp4"))


def test_whispering_is_said_to_have_no_pitch(talk: np.ndarray) -> None:
    hiss = np.random.default_rng(0).normal(0, 1, len(talk))
    whispered = (hiss * np.repeat(10 ** (sound.levels(talk, RATE) / 20), RATE // 100)[: len(talk)]).astype(np.float32)
    assert sound.voiced(talk, RATE) > 2 * flaws.VOICED
    assert flaws.unvoiced(whispered, RATE)


def test_of_a_long_recording_the_minute_with_most_speech_is_used(talk: np.ndarray) -> None:
    room = np.random.default_rng(0).normal(0, 1e-4, 70 * RATE).astype(np.float32)
    heard = clone.listened(np.concatenate([room, talk, room]), RATE)
    assert len(heard) == clone.LISTEN * RATE
    assert clone.seconds_of_speech(heard, RATE) == pytest.approx(clone.seconds_of_speech(talk, RATE), abs=0.3)


def test_a_telephone_keeps_pitch_and_asks_for_no_more_than_its_band(talk: np.ndarray) -> None:
    clean, phone = clone.learn(talk, RATE, "clean"), clone.learn(sound.resample(talk, RATE, 8000), 8000, "phone")
    assert phone.pitch == pytest.approx(clean.pitch, rel=0.02)
    assert speaker.similarity(phone.embedding, clean.embedding) > 0.7
    assert np.isnan(phone.spectrum[sound.BANDS > 4000]).all()
    assert np.isfinite(sound.matched_spectrum(talk, RATE, phone.spectrum)).all()


@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_channel_is_left_out(tmp_path: Path, talk: np.ndarray, dead: int) -> None:
    both = np.stack([talk, talk], axis=1)
    both[:, dead] = np.random.default_rng(0).normal(0, 1e-4, len(talk))
    soundfile.write(tmp_path / "half.wav", both, RATE, "FLOAT")
    samples, rate = media.read_audio(tmp_path / "half.wav")
    assert sound.gated_level(samples, rate) == pytest.approx(sound.gated_level(talk, RATE), abs=0.1)
    assert clone.learn(samples, rate, "half").pitch == pytest.approx(clone.learn(talk, RATE, "whole").pitch, rel=0.01)


def test_channels_of_opposite_sign_do_not_cancel(tmp_path: Path, talk: np.ndarray) -> None:
    soundfile.write(tmp_path / "turned.wav", np.stack([talk, -talk], axis=1), RATE, "FLOAT")
    assert np.allclose(media.read_audio(tmp_path / "turned.wav")[0], talk - talk.mean(), atol=1e-6)


def test_a_constant_in_the_sound_is_left_out(tmp_path: Path, talk: np.ndarray) -> None:
    soundfile.write(tmp_path / "offset.wav", talk + 0.3, RATE, "FLOAT")
    assert np.allclose(media.read_audio(tmp_path / "offset.wav")[0], talk - talk.mean(), atol=1e-6)


def test_what_is_no_number_is_silence(tmp_path: Path, talk: np.ndarray) -> None:
    soundfile.write(tmp_path / "holes.wav", np.where(np.arange(len(talk)) % 9000 == 0, np.nan, talk), RATE, "FLOAT")
    samples, _ = media.read_audio(tmp_path / "holes.wav")
    assert np.isfinite(samples).all()
    assert sound.gated_level(samples, RATE) == pytest.approx(sound.gated_level(talk, RATE), abs=0.1)
