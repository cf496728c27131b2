"""Kokoro says short lines cleanly: no hum before or after them, a stress in each, the sound computed in floats."""

import numpy as np
import pytest

from retac_node import assets
from retac_node.models import kokoro, kokoro_float, kokoro_graph
from retac_node.models.kokoro_graph import field, fields, graph_of, named, numbers
from retac_node.ops import sound

needs_model = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")


def allowed(line: str, frames: int = 4) -> np.ndarray:
    """Tells where a pitch is allowed, token by token, if each lasts as many frames."""
    words = kokoro.spell(line)
    tokens = len(" ".join(word.symbols for word in words)) + 2
    found = kokoro.voiced(words, np.full(tokens, frames, np.float32))
    ahead = np.pad(found, (0, 2 * kokoro.EARLY), constant_values=found[-1])[2 * kokoro.EARLY :]
    return ahead.reshape(tokens, 2 * frames)[:, 2 * frames // 2]


def test_the_consonants_at_the_ends_have_no_pitch() -> None:
    #  quiet s t ˈ ɑ p _ ɪ t ! quiet
    assert allowed("Stop it!").tolist() == [False] * 3 + [True] * 5 + [False] * 3


def test_a_line_of_voiced_sounds_keeps_its_pitch_to_the_end() -> None:
    assert allowed("No.").tolist() == [False] + [True] * (len("nˈO.") + 1)


def test_a_line_of_whispers_has_no_pitch() -> None:
    assert not allowed("Shh!").any()


@pytest.mark.parametrize(("line", "spelled"), [("How?", "hˈW?"), ("The.", "ðˈə."), ("Stop it.", "stˈɑp ɪt.")])
def test_each_phrase_has_a_stress(line: str, spelled: str) -> None:
    assert " ".join(word.symbols for word in kokoro.spell(line)) == spelled


def test_numbers_of_a_message_are_read_as_they_were_written() -> None:
    assert numbers(b"\x08" + kokoro_graph.count(300) + field(2, b"abc") + b"\x08\x05", 1) == [300, 5]


def test_weights_are_what_was_stored_less_the_zero_times_the_scale() -> None:
    stored = b"\x08\x02\x08\x01\x08\x03" + field(9, bytes([0, 100, 200, 201, 100, 99]))
    kernel = kokoro_float.weights(stored, field(5, b"\x64"), field(9, np.float32(0.5).tobytes()))
    assert kernel.tolist() == [[[[-50.0, 0.0, 50.0]]], [[[50.5, 0.0, -0.5]]]]


@needs_model
def test_no_convolution_of_whole_numbers_is_left_in_the_generator() -> None:
    graph = graph_of(list(fields(kokoro_float.in_floats(assets.path("kokoro").read_bytes()))))
    made = [(named(payload, 4)[0], named(payload, 2)[0]) for number, payload in graph if number == 1]
    inside = [kind for kind, output in made if kokoro_float.PART in output]
    assert inside.count(b"ConvInteger") == 0
    assert inside.count(b"Conv") == 51


@needs_model
@pytest.mark.slow
def test_the_sound_is_the_same_for_any_number_of_threads_and_does_not_hum_before_it_begins() -> None:
    bank = kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[3])
    one, three = (kokoro.speak(kokoro.load(assets.path("kokoro"), n), styles, "Stop it!") for n in (1, 3))
    assert np.array_equal(one.samples, three.samples)
    vowel = next(each for each in one.phonemes if each.label.startswith("AA"))
    assert not sound.pitch(one.samples, kokoro.RATE)[: int(100 * vowel.start) - 4].any()
