"""The line lies in the clip's sound as if it had been said there, and carries its mark."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from retac_node import assets, media
from retac_node.data import Clip, Speech
from retac_node.errors import BadInput
from retac_node.models import watermark
from retac_node.ops import bed, loudness
from retac_node.stages import mix
from tests.test_reverb import talk

needs_mark = pytest.mark.skipif(not assets.available("perth"), reason="no watermark model here")
RATE = 16_000
SLOT = (50, 100)  # frames at 25 a second: 2 to 4 s


def clip_of(folder: Path, rate: int = 48_000, level: float = 0.5, gains: tuple[float, ...] = (1.0, 1.0)) -> tuple:
    """Writes talk with room noise as sound alone; gives its path and the clip."""
    sound = media.resampled(level * talk(8.0), RATE, rate)
    sound = sound + np.random.default_rng(1).normal(0, 0.001, len(sound)).astype(np.float32)
    path = folder / "clip.wav"
    soundfile.write(path, sound[:, None] * np.array(gains), rate, "FLOAT")
    return path, Clip("0", path.name, Fraction(25), np.zeros(200), 64, 64, sound, rate)


def line(synthetic: bool, seconds: float = 2.0, level: float = 0.1) -> Speech:
    samples = level * media.resampled(talk(seconds + 2), RATE, 24_000)[: int(seconds * 24_000)]
    return Speech(samples, 24_000, (), (), seconds, float("nan"), synthetic)


@pytest.mark.parametrize(("native", "written"), [(48_000, 48_000), (44_100, 44_100), (16_000, 48_000)])
def test_around_the_slot_the_sound_is_the_clips_own_at_its_own_rate(tmp_path: Path, native: int, written: int) -> None:
    path, clip = clip_of(tmp_path, native)
    made = mix.in_place(path, clip, line(False), SLOT)
    own = media.resampled(media.read_channels(path)[0], native, written)
    assert (made.rate, made.samples.shape) == (written, (8 * written, 2))
    assert np.array_equal(made.samples[: made.start], own[: made.start])
    assert np.array_equal(made.samples[made.stop :], own[made.stop : 8 * written])


@needs_mark
def test_a_synthetic_line_is_as_loud_as_the_speech_around_it_and_marked(tmp_path: Path) -> None:
    path, clip = clip_of(tmp_path)
    made = mix.in_place(path, clip, line(True), SLOT)
    part = made.samples[made.start : made.stop]
    around = np.concatenate([made.samples[: made.start], made.samples[made.stop :]])
    assert loudness.speech_loudness(part, made.rate) == pytest.approx(
        loudness.speech_loudness(around, made.rate), abs=1
    )
    heard = media.through_aac(made.samples, made.rate, 96_000)[made.start : made.stop]
    assert mix.certainty(heard, made.rate) > mix.FOUND
    assert mix.certainty(clip.audio[:, None], clip.audio_rate) < 0.5


@needs_mark
def test_the_background_goes_on_under_a_line_without_a_slot(tmp_path: Path) -> None:
    path, clip = clip_of(tmp_path)
    made = mix.alone(path, clip, line(True))
    quiet = min(bed.power(made.samples[at : at + 480]) for at in range(0, len(made.samples) - 480, 480))
    assert len(made.samples) == 2 * 48_000
    assert 20 * np.log10(quiet / 0.001) == pytest.approx(0, abs=3)


def test_a_recorded_line_is_kept_as_it_is(tmp_path: Path) -> None:
    path, clip = clip_of(tmp_path)
    speech = line(False)
    made = mix.alone(path, clip, speech)
    assert np.array_equal(made.samples[:, 0], media.resampled(speech.samples, 24_000, 48_000))
    mix.check(path, made, speech, clip)  # asks for no mark


def test_a_dead_channel_stays_dead(tmp_path: Path) -> None:
    path, clip = clip_of(tmp_path, gains=(1.0, 0.0))
    made = mix.in_place(path, clip, line(False), SLOT)
    assert not made.samples[:, 1].any()
    assert bed.power(made.samples[made.start : made.stop, :1]) > 0.005


def test_a_clip_of_a_low_rate_gets_no_overtones_it_cannot_have(tmp_path: Path) -> None:
    path, _ = clip_of(tmp_path, 8_000)
    speech = Speech(np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32), 24_000, (), (), 2.0, 0.5)
    own, rate, native = mix.own_sound(path)
    power = np.abs(np.fft.rfft(mix.spread(speech, own, rate, native)[:, 0])) ** 2
    assert power[len(power) * 9 // 48 :].sum() < 1e-3 * power.sum()


@needs_mark
def test_a_file_in_which_the_mark_is_not_found_is_an_error(tmp_path: Path) -> None:
    path, clip = clip_of(tmp_path)
    made = mix.Mix(np.zeros((8 * 48_000, 2), np.float32), 48_000, 0, 2 * 48_000)
    with pytest.raises(BadInput, match=r"the watermark .* not found in the finished sound of clip.wav"):
        mix.check(path, made, line(True), clip)


@needs_mark
@pytest.mark.parametrize("seconds", [0.4, 2.0])
def test_the_mark_of_a_short_line_outlasts_aac(tmp_path: Path, seconds: float) -> None:
    _, clip = clip_of(tmp_path)
    speech = line(True, seconds, 1.0)
    samples = media.resampled(watermark.mark(speech.samples, 24_000), 24_000, 48_000)[:, None]
    made = mix.marked(mix.Mix(samples, 48_000, 0, len(samples)), speech, clip)
    assert mix.outlasting(made) > mix.FOUND
