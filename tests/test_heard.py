"""What a clip says: its words with their times, and nothing where nobody speaks."""

import json
from fractions import Fraction

import numpy as np
import pytest

from retac_node import assets, heard, parts
from retac_node.data import F32, Clip
from retac_node.models import kokoro

needs_ears = pytest.mark.skipif(
    not (heard.find_spec("faster_whisper") and assets.available(heard.MODEL)), reason="no recogniser here"
)
needs_voice = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")


def clip_of(samples: F32, rate: int = kokoro.RATE) -> Clip:
    return Clip("c" * 64, "said.mp4", Fraction(25), np.arange(50) / 25, 64, 48, samples, rate)


@needs_ears
@needs_voice
def test_the_words_are_found_with_their_times(tmp_path):
    styles = kokoro.load_voices().mixed(np.eye(len(kokoro.load_voices().names), dtype=np.float32)[0])
    said = kokoro.speak(kokoro.load(assets.path("kokoro")), styles, "My name is David. I live in Boston.")
    ((name, write),) = parts.words(clip_of(said.samples))
    write(tmp_path / name)
    told = json.loads((tmp_path / name).read_text())
    assert [row["label"] for row in told["words"]] == ["my", "name", "is", "david", "i", "live", "in", "boston"]
    assert [row["start"] for row in told["words"]] == pytest.approx([word.start for word in said.words], abs=0.08)
    assert len(told["phonemes"]) > 20


@needs_ears
def test_where_nobody_speaks_nothing_is_marked():
    noise = (0.05 * np.random.default_rng(0).normal(size=3 * 16000)).astype(np.float32)
    assert heard.listen(noise, 16000) == ((), ())


def test_a_clip_without_sound_has_no_such_part():
    assert list(parts.words(clip_of(np.zeros(0, np.float32)))) == []
