"""Kokoro says short lines cleanly: no hum before them, a stress in each, the sound computed in floats."""

import numpy as np
import onnx
import pytest

from retac_node import assets
from retac_node.models import kokoro, kokoro_graph, kokoro_letters
from retac_node.ops import sound

needs_model = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")


def allowed(line: str, frames: int = 4) -> np.ndarray:
    """Tells where a pitch is allowed, token by token, if each lasts as many frames."""
    words = kokoro_letters.spell(line)
    tokens = len(" ".join(word.symbols for word in words)) + 2
    found = kokoro.voiced(words, np.full(tokens, frames, np.float32))
    late = np.pad(found, (2 * kokoro.EARLY, 0))[: len(found)]  # by tokens, not by their sound
    return late.reshape(tokens, 2 * frames)[:, frames]


def test_the_consonants_at_the_start_have_no_pitch() -> None:
    #  quiet s t ˈ ɑ p _ ɪ t ! quiet
    assert allowed("Stop it!").tolist() == [False] * 3 + [True] * 8


def test_a_line_of_voiced_sounds_has_its_pitch_from_the_first_on() -> None:
    assert allowed("No.").tolist() == [False] + [True] * (len("nˈO.") + 1)


@pytest.mark.parametrize(("line", "spelled"), [("How?", "hˈW?"), ("The.", "ðˈə."), ("Stop it.", "stˈɑp ɪt.")])
def test_each_phrase_has_a_stress(line: str, spelled: str) -> None:
    assert " ".join(word.symbols for word in kokoro_letters.spell(line)) == spelled


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
