"""A line fills its place in the clip with one synthesis, and one that cannot is told by how much."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from retac_node import assets
from retac_node.data import Speech, Timed
from retac_node.errors import BadInput
from retac_node.models import kokoro
from retac_node.models.engines import fit
from retac_node.ops import sound, stretch
from retac_node.stages import slot

RATE = 24_000
needs_voice = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")


class Talker:
    """Says any line in `length(pace)` seconds, which it foresees with an error."""

    def __init__(self, length: Callable[[float], float], error: float = 0.0) -> None:
        self.length, self.error, self.said = length, error, 0

    def planned(self, line: str, pace: float) -> float:
        return self.length(pace) + self.error

    def says(self, line: str, pace: float, telling: object) -> Speech:
        self.said += 1
        end = self.length(pace) - fit.LAST
        return Speech.of(np.zeros(int(RATE * (end + 0.12)), np.float32), RATE, (), (Timed("m", 0.0, end),))


class Quiet:
    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, sentence: str) -> None:
        self.warnings.append(sentence)

    def track(self, items: Iterable[Any], total: int | None = None, label: str = "") -> Iterator[Any]:
        return iter(items)


@pytest.mark.parametrize("seconds", [3.2, 3.6, 4.1, 4.5])
@pytest.mark.parametrize("power", [1.0, 0.6])
@pytest.mark.parametrize("error", [0.0, 0.15, -0.15])
def test_a_line_fills_its_slot_within_a_frame_and_is_measured_only_near_a_bound(
    seconds: float, power: float, error: float
) -> None:
    talker = Talker(lambda pace: 3.8 / pace**power, error)
    spoken = fit.speak_within(talker, "one two", seconds, Quiet())
    assert talker.said == 1 + any(abs(pace * seconds - 3.8 - error) < 0.1 * pace * seconds + 0.1 for pace in fit.PACES)
    assert seconds - fit.CLOSE - 1e-6 <= fit.needed(spoken) <= seconds + 1e-6


@pytest.mark.parametrize("error", [0.0, 0.15, -0.15])
@pytest.mark.parametrize("power", [1.0, 0.6])
def test_every_factor_in_the_range_is_accepted_and_none_beyond(power: float, error: float) -> None:
    for factor in (0.81, 0.9, 1.1, 1.24):
        ctx = Quiet()
        spoken = fit.speak_within(Talker(lambda pace: 3.8 / pace**power, error), "one", 3.8 / factor, ctx)
        assert fit.needed(spoken) == pytest.approx(3.8 / factor, abs=fit.CLOSE)
        assert not ctx.warnings
    with pytest.raises(BadInput, match=r"move --end 0\.1 s later"):
        fit.speak_within(Talker(lambda pace: 3.8 / pace**power, error), "one", 3.8 / 1.27, Quiet())


def test_a_line_too_long_says_by_how_much_and_how_many_words_fit() -> None:
    talker = Talker(lambda pace: 5 / pace)
    line = "one two three four five six seven eight"
    with pytest.raises(BadInput, match=r"needs 4\.0 s .* has 3\.0 s; move --end 1\.0 s later .* 8 words to about 6"):
        fit.speak_within(talker, line, 3.0, Quiet())
    assert talker.said == 0


def test_a_line_too_short_is_not_slowed_beyond_talking_and_says_what_stays_quiet() -> None:
    ctx = Quiet()
    spoken = fit.speak_within(Talker(lambda pace: 1 / pace), "one two", 5.0, ctx)
    assert fit.needed(spoken) == pytest.approx(1 / fit.PACES[0])
    assert "last 3.8 s are quiet; about 8 words instead of 2" in ctx.warnings[0]


@pytest.mark.parametrize("factor", [0.85, 0.97, 1.0, 1.1, 1.25])
def test_stretching_keeps_pitch_and_level_and_moves_time(factor: float) -> None:
    time = np.arange(RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 130 * k * time) / k for k in range(1, 20)).astype(np.float32)
    voice = 0.1 * tone * (time > 0.5)
    out = stretch.stretched(voice, RATE, factor)
    assert len(out) == round(RATE * factor)
    assert sound.median_pitch(out, RATE) == pytest.approx(130, rel=0.01)
    assert np.std(out[int(0.6 * factor * RATE) : int(0.9 * factor * RATE)]) == pytest.approx(
        np.std(voice[18_000:]), rel=0.03
    )
    assert np.flatnonzero(np.abs(out) > 0.05)[0] / RATE == pytest.approx(0.5 * factor, abs=0.02)


def test_a_slot_gets_exactly_its_length() -> None:
    speech = Speech(np.ones(RATE, np.float32), RATE, (), (), 1.0, 0.5)
    for seconds in (0.98, 1.0, 2.48):
        fitted = slot.in_slot(speech, seconds)
        assert fitted.seconds == seconds
        assert len(fitted.samples) == round(seconds * RATE)


def test_slot_times_move_with_the_trim() -> None:
    quiet = np.zeros(12_000, np.float32)
    tone = np.sin(np.arange(RATE) / 20).astype(np.float32)
    speech = Speech(np.concatenate([quiet, tone, quiet]), RATE, (Timed("a", 0.5, 1.5),), (), 2.0, 0.0)
    cut = slot.trimmed(replace(speech))
    assert cut.words[0].start == pytest.approx(sound.HEAD, abs=0.03)
    assert cut.seconds == pytest.approx(1.0 + sound.HEAD + sound.TAIL, abs=0.05)


@needs_voice
def test_the_part_of_the_model_foresees_what_the_whole_says() -> None:
    bank = kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[3])
    model = kokoro.load(assets.path("kokoro"))
    line = "Bob came home. [pause 0.4] He was tired."
    for pace in (0.9, 1.2):
        planned = kokoro.planned(model, styles, line, pace)
        assert planned == pytest.approx(kokoro.speak(model, styles, line, pace).phonemes[-1].end, abs=0.2)
