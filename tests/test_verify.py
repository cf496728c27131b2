"""`retac verify` tells what a file says of itself, and what is heard in it."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from retac_node import assets, verify
from retac_node.cli import main
from retac_node.errors import BadInput
from retac_node.models import watermark
from tests.test_reverb import RATE, talk

SAID = "Synthetic: the speech and the mouth in this video from 2.000 s to 4.520 s were generated with Re-TTAC."
needs_mark = pytest.mark.skipif(not assets.available("perth"), reason="no watermark model here")


def test_the_line_is_listened_to_where_the_file_says_it_is_and_else_everywhere() -> None:
    assert verify.spans(SAID, 8.0) == [(2.0, 4.52)]
    assert verify.spans("", 4.5) == [(0.0, 3.0), (1.0, 4.0), (2.0, 4.5)]
    assert verify.spans("", 0.4) == [(0.0, 0.4)]


def test_neighbouring_places_are_one() -> None:
    assert verify.merged([(0, 3), (1, 4), (7, 9)]) == ((0, 4), (7, 9))


def test_what_was_found_is_told() -> None:
    assert "heard from 2.0 to 4.5 s" in verify.told(verify.Verdict(SAID, ((2.0, 4.52),), 0.99), "a.mp4")
    recorded = SAID.replace("the speech and ", "")
    assert "is a recording" in verify.told(verify.Verdict(recorded, (), 0.0), "a.mp4")
    with pytest.raises(BadInput, match="the mark is not heard"):
        verify.told(verify.Verdict(SAID, (), 0.1), "a.mp4")
    with pytest.raises(BadInput, match="carries no mark"):
        verify.told(verify.Verdict("", (), 0.1), "a.mp4")


@needs_mark
def test_a_marked_sound_passes_and_an_unmarked_one_fails(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name, samples in (("marked", watermark.mark(talk(4), RATE)), ("clean", talk(4)), ("silent", np.zeros(RATE))):
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE)
    assert main(["verify", str(tmp_path / "marked.wav")]) == 0
    assert "is heard from 0.0 to" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "clean.wav")]) == 2
    assert main(["verify", str(tmp_path / "silent.wav")]) == 2
    assert main(["verify", str(tmp_path / "none.wav")]) == 2


def test_without_the_model_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> None:
        raise BadInput("model file perth_net_250000.pth.tar (perth) is missing; run: retac assets fetch")

    monkeypatch.setattr(watermark, "perth", nowhere)
    soundfile.write(tmp_path / "a.wav", talk(2), RATE)
    with pytest.raises(BadInput, match="missing"):
        verify.verify(tmp_path / "a.wav")
    with pytest.raises(BadInput, match="missing"):
        watermark.mark(talk(2), RATE)
