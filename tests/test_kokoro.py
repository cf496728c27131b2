"""Kokoro says short lines cleanly: no hum before them, a stress in each, the sound computed in floats."""

import numpy as np
import onnx
import pytest

from retac_node import assets
from retac_node.models import kokoro, kokoro_graph, kokoro_letters
from retac_node.ops import sound

needs_model = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")


def allowed(script: kokoro.Script, frames: int = 4) -> list[bool]:
    """Tells where a pitch is allowed, token by token, if each lasts as many frames."""
    tokens = len(kokoro.written(script.words)) + 2
    found = kokoro.voiced(script, np.full(tokens, frames, np.float32))
    late = np.pad(found, (2 * kokoro.EARLY, 0))[: len(found)]  # by tokens, not by their sound
    return late.reshape(tokens, 2 * frames)[:, frames].tolist()


def alone(line: str) -> kokoro.Script:
    words = kokoro_letters.spell(line)
    return kokoro.Script(words, 1, len(kokoro.written(words)), False)


def test_the_consonants_at_the_start_have_no_pitch() -> None:
    #  quiet s t ˈ ɑ p _ ɪ t ! quiet
    assert allowed(alone("Stop it!")) == [False] * 3 + [True] * 8


def test_a_line_of_voiced_sounds_has_its_pitch_from_the_first_on() -> None:
    assert allowed(alone("No.")) == [False] + [True] * (len("nˈO.") + 1)


def test_the_pause_before_a_line_in_company_has_no_pitch() -> None:
    script = kokoro.scripted(kokoro_letters.spell("Stop it!"))
    silent = [letter for letter, may in zip(kokoro.written(script.words), allowed(script)[1:], strict=False) if not may]
    assert silent == [*". st"]


@pytest.mark.parametrize(("line", "spelled"), [("How?", "hˈW?"), ("The.", "ðˈə."), ("Stop it.", "stˈɑp ɪt.")])
def test_each_phrase_has_a_stress(line: str, spelled: str) -> None:
    assert " ".join(word.symbols for word in kokoro_letters.spell(line)) == spelled


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Stop it!", "before line after"),
        ("Stop it,", "before line"),  # what goes on after it would sound as one sentence with it
        ("The old fisherman mended his nets.", "line"),
    ],
)
def test_a_few_words_are_said_between_sentences_that_are_cut_away(line: str, said: str) -> None:
    parts = {"before": kokoro.BEFORE, "line": line, "after": kokoro.AFTER}
    script = kokoro.scripted(kokoro_letters.spell(line))
    assert [word.label for word in script.words] == [
        word.label for part in said.split() for word in kokoro_letters.spell(parts[part])
    ]
    tokens = [*kokoro.written(script.words)]
    own = script.own(np.arange(len(tokens) + 3))[: script.letters]  # the quiet before the first letter is token 0
    assert "".join(tokens[each - 1] for each in own) == kokoro.written(kokoro_letters.spell(line))


def test_what_is_cut_away_is_said_in_haste_but_not_the_pauses_beside_the_line() -> None:
    script = kokoro.scripted(kokoro_letters.spell("Stop it!"))
    letters, paces = kokoro.written(script.words), script.paces()
    own = np.flatnonzero(paces < 1)
    assert set(np.delete(paces, own)) == {kokoro.HASTY}
    assert letters[own[0] - 1 : own[-1]] == ". stˈɑp ɪt! "
    assert [round(float(pace), 2) for pace in paces[own]] == [kokoro.LONG] * 2 + [0.88] * len("stˈɑp ɪt! ")


def test_a_longer_line_has_one_pace_throughout() -> None:
    paces = kokoro.scripted(kokoro_letters.spell("The old fisherman mended his nets.")).paces()
    assert len(set(paces.tolist())) == 1
    assert 0.88 < paces[0] < 1


def test_it_is_cut_at_the_last_quiet_place_or_else_the_quietest() -> None:
    audio = np.sin(np.arange(kokoro.RATE)).astype(np.float32)
    audio[7200:8400] *= 0.1  # from 0.3 to 0.35 s
    assert 7500 <= kokoro.last_quiet(audio, 0.1, 0.9) <= 8100
    assert 12000 <= kokoro.last_quiet(audio, 0.5, 0.9) < 21600  # the ends of a stretch are no quieter than they are
    audio[14400:15600] *= 0.001  # from 0.6 to 0.65 s, the closure of a stop
    audio[16800:18000] *= 0.003  # from 0.7 to 0.75 s, the pause after it
    assert 17100 <= kokoro.last_quiet(audio, 0.1, 0.9) <= 17700


@pytest.mark.parametrize(("line", "cut"), [("Cut it,", True), ("Hurry up,", False)])
def test_a_breath_before_the_first_sound_is_cut_away_unless_it_begins_with_one(line: str, cut: bool) -> None:
    script = kokoro.scripted(kokoro_letters.spell(line))
    times = kokoro.starts(np.full(len(kokoro.written(script.words)) + 2, 4.0, np.float32))
    audio = np.sin(np.arange(int(times[-1] * kokoro.RATE))).astype(np.float32)
    pause = int(times[script.first - 2] * kokoro.RATE)
    audio[pause : pause + 1200] = 0
    start, stop = script.part(audio, times)
    assert stop == len(audio)
    assert (start == int((times[script.first] - kokoro.EARLIEST) * kokoro.RATE)) is cut
    assert (pause < start < pause + 1200) is not cut


def test_weights_are_what_was_stored_less_the_zero_times_the_scale() -> None:
    stored = np.array([[[0, 100, 200]], [[201, 100, 99]]], np.uint8)
    kernel = kokoro_graph.in_a_line(stored, np.uint8(100), np.float32(0.5))
    assert kernel.tolist() == [[[[-50.0, 0.0, 50.0]]], [[[50.5, 0.0, -0.5]]]]


@needs_model
def test_no_convolution_of_whole_numbers_is_left_in_the_generator() -> None:
    graph = onnx.load_model_from_string(kokoro_graph.speaking(assets.path("kokoro").read_bytes())).graph
    inside = [node.op_type for node in graph.node if kokoro_graph.GENERATOR in node.output[0]]
    assert inside.count("ConvInteger") == 0
    assert inside.count("Conv") == 51


@needs_model
@pytest.mark.slow
def test_the_sound_is_the_same_for_any_number_of_threads_and_does_not_hum_before_it_begins() -> None:
    bank = kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[3])
    one, three = (kokoro.speak(kokoro.load(assets.path("kokoro"), n), styles, "Stop it!") for n in (1, 3))
    assert np.array_equal(one.samples, three.samples)
    vowel = one.phonemes[2]
    assert not sound.pitch(one.samples, kokoro.RATE)[: int(100 * vowel.start) - 4].any()
