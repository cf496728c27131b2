"""Every engine is a row; one that lacks something says what to put where; lines are cut, said and joined whole."""

import json
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from retac_shared.options import EngineName
from retac_shared.order import Order

from retac_node import config
from retac_node.data import Speaker, Speech, Timed
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import engines, tacotron, wavernn
from retac_node.models.engines import fit, letters, sv2tts
from tests import made_sv2tts

LINE = "It's late, and the rain won't stop! Shall we go? I think so: the road is long, the night is cold; bring coats."
NOBODY = Speaker(
    "a", np.zeros(16_000, np.float32), 16_000, np.full(256, 1 / 16, np.float32), 120.0, -20.0, np.zeros(25)
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_sv2tts.write(tmp_path_factory.mktemp("sv2tts"))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gives a function that writes which folders the settings name."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("sys.platform", "linux")
    (tmp_path / "retac").mkdir()

    def write(**folders: Path) -> None:
        named = {name: str(folder) for name, folder in folders.items()}
        (tmp_path / "retac" / "config.yaml").write_text(json.dumps({"engines": named}))

    return write


# ---- the table


def test_every_name_is_a_row_with_a_module() -> None:
    assert set(engines.ENGINES) == set(get_args(EngineName))
    assert set(config.ENGINES) == {name for name, row in engines.ENGINES.items() if row.files}
    folder = Path(engines.__file__).parent
    assert all((folder / f"{name}.py").is_file() for name in engines.ENGINES)


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no voice engine 'espeak'; known are kokoro, sv2tts, chatterbox"):
        Order("c" * 64, text="Hello.", engine="espeak")  # type: ignore[arg-type]


def test_without_files_it_says_what_to_put_where(settings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"synthesizer.pt, vocoder.pt into a folder and write .*config.yaml"):
        engines.fingerprint("sv2tts")
    (tmp_path / "synthesizer.pt").touch()
    settings(sv2tts=tmp_path)
    with pytest.raises(BadInput, match=f"put vocoder.pt into {tmp_path}"):
        engines.fingerprint("sv2tts")


def test_other_files_make_another_fingerprint(settings, tmp_path: Path) -> None:
    settings(sv2tts=tmp_path)
    found = set()
    for content in (b"one", b"two"):
        for name in engines.ENGINES["sv2tts"].files:
            (tmp_path / name).write_bytes(content)
        found.add(engines.fingerprint("sv2tts"))
    assert len(found) == 2


# ---- sv2tts


@pytest.mark.parametrize(
    ("model", "published", "millions"),
    [
        (tacotron.Tacotron(tacotron.Config()), made_sv2tts.SYNTHESIZER, 30.870),
        (wavernn.WaveRNN(wavernn.Config()), made_sv2tts.VOCODER, 4.481),
    ],
)
def test_the_modules_have_the_published_names_and_shapes(model, published, millions) -> None:
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == published
    trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
    assert trained / 1e6 == pytest.approx(millions, abs=5e-4)


def test_a_checkpoint_of_the_published_shape_goes_through(checkpoints: Path) -> None:
    chance = torch.Generator().manual_seed(0)
    drawer = sv2tts.load_synthesizer(checkpoints / "synthesizer.pt", 0, "cpu")
    found = tacotron.draw(drawer, "Hello.", torch.from_numpy(NOBODY.embedding), 4, chance, iter)
    assert found.mel.shape == (80, 8)
    assert found.attention.shape == (4, len("hello.~"))
    assert torch.allclose(found.attention.sum(dim=1), torch.ones(4))
    maker = sv2tts.load_vocoder(checkpoints / "vocoder.pt", 0, "cpu")
    samples = wavernn.sound_of(maker, found.mel[:, :1] / tacotron.LOUDEST, chance, iter)
    assert samples.shape == (200,)
    assert np.isfinite(samples).all()


def test_a_model_that_says_nothing_sensible_is_told_and_not_heard(settings, checkpoints: Path, tmp_path: Path) -> None:
    settings(sv2tts=checkpoints)
    with pytest.raises(BadInput, match=r"sv2tts left out words in 'Good morning.*kokoro"):
        engines.speak(
            "Good morning to all of you out there.", NOBODY, engines.SpeakOptions("sv2tts"), Context(tmp_path, "cpu")
        )


def test_a_file_that_is_no_checkpoint_is_named(checkpoints: Path, tmp_path: Path) -> None:
    bad = tmp_path / "synthesizer.pt"
    for content in (b"", b"PK\x03\x04 not a model", (checkpoints / "vocoder.pt").read_bytes()[:5000]):
        bad.write_bytes(content)
        with pytest.raises(BadInput, match=r"synthesizer.pt is no SV2TTS checkpoint"):
            sv2tts.filled(wavernn.WaveRNN(wavernn.Config()), bad)
    other = made_sv2tts.state({**made_sv2tts.VOCODER, "fc3.bias": (30,)})
    torch.save({"model_state": other}, bad)
    with pytest.raises(BadInput, match=r"its fc3.bias is \(30,\) and should be \(512,\)"):
        sv2tts.filled(wavernn.WaveRNN(wavernn.Config()), bad)


@pytest.mark.parametrize(
    ("places", "said"),
    [
        (np.repeat(np.arange(40), 3), ""),
        (np.repeat(np.delete(np.arange(40), range(10, 25)), 3), "left out words"),
        (np.repeat(np.r_[0:30, 5:40], 3), "said words twice"),
        (np.repeat(np.arange(40), np.where(np.arange(40) == 20, 60, 3)), "stood still"),
        (np.repeat(np.arange(25), 3), "left out words"),
    ],
)
def test_an_attention_that_lost_its_place_is_found(places: np.ndarray, said: str) -> None:
    assert sv2tts.fault(places, 40, 0.025) == said


def test_letters_keep_apostrophes_and_punctuation() -> None:
    kept = "".join(tacotron.LETTERS[number] for number in tacotron.numbers("It's fine; isn't it?"))
    assert kept == "it's fine; isn't it?~"


def test_parts_overlap_and_join_to_the_same_length() -> None:
    whole = torch.arange(30_000.0)[:, None] + 1
    cut = wavernn.parts(whole)
    assert (cut[:-1, -wavernn.OVERLAP :] == cut[1:, : wavernn.OVERLAP]).all()
    back = wavernn.joined(cut[..., 0].numpy())[: len(whole)]
    alone = wavernn.PART + wavernn.OVERLAP // 2
    assert np.array_equal(back[:alone], whole[:alone, 0].numpy())


def test_the_mu_law_is_undone() -> None:
    levels = np.linspace(-1, 1, 101).astype(np.float32)
    law = np.sign(levels) * np.log1p(511 * np.abs(levels)) / np.log(512)
    assert wavernn.expanded(law, 512) == pytest.approx(levels, abs=1e-4)


# ---- engines that read letters


def test_a_line_is_cut_into_sentences_that_keep_every_mark() -> None:
    found = letters.pieces(LINE, 40)
    assert " ".join(piece.text for piece in found) == LINE
    assert max(len(piece.text) for piece in found) <= 40
    assert [piece.pause for piece in letters.pieces("Wait [pause 1.5] here. Now.", 40)] == [1.5, 0.32, 0.32]


def say(piece: str) -> Speech:
    """A tone as long as the text; its one word is all of it."""
    seconds = 0.05 * len(piece)
    tone = 0.1 * np.sin(np.arange(int(16_000 * seconds)) / 20).astype(np.float32)
    whole = (Timed(piece, 0.0, seconds),)
    return Speech.of(tone, 16_000, whole, whole)


def test_pieces_are_joined_in_order_with_their_pauses(tmp_path: Path) -> None:
    speech = letters.recited("One is here. Two is there.", 40, say, Context(tmp_path, "cpu"))
    first, second = speech.words
    assert second.start - first.end == pytest.approx(0.32 - 0.18, abs=1e-3)
    assert speech.seconds == pytest.approx(second.end, abs=1e-3)


def test_an_engine_without_a_pace_fills_a_slot_and_speaks_once(tmp_path: Path) -> None:
    said: list[str] = []

    def recite(line: str) -> Speech:
        said.append(line)
        return say(line)

    spoken = fit.speak_within(letters.Once(recite), "word " * 10, 2.3, Context(tmp_path, "cpu"))
    assert fit.needed(spoken) == pytest.approx(2.3, abs=fit.CLOSE)
    assert len(said) == 1


def test_long_silences_inside_are_shortened() -> None:
    tone = 0.1 * np.sin(np.arange(16_000) / 20).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 1e-4, 48_000 + 24_000).astype(np.float32)
    gap = noise + np.concatenate([tone, np.zeros(40_000, np.float32), tone])
    assert len(letters.without_gaps(gap, 16_000)) / 16_000 == pytest.approx(2 + letters.GAP, abs=0.15)


# ---- chatterbox: a made package of its name, which says nothing

PACKAGE = """
import numpy as np
class ChatterboxTTS:
    sr = 24000
    @classmethod
    def from_local(cls, folder, device):
        return cls()
    def generate(self, text, audio_prompt_path=None):
        assert open(audio_prompt_path, "rb").read(4) == b"RIFF"
        return np.zeros((1, 24000))
"""


def test_chatterbox_is_asked_with_the_voice_and_held_to_the_words(settings, tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(BadInput, match=r"package chatterbox-tts, which is not installed.*pip install"):
        engines.fingerprint("chatterbox")
    (tmp_path / "chatterbox").mkdir()
    (tmp_path / "chatterbox" / "__init__.py").touch()
    (tmp_path / "chatterbox" / "tts.py").write_text(PACKAGE)
    (tmp_path / "chatterbox_tts-9.dist-info").mkdir()
    (tmp_path / "chatterbox_tts-9.dist-info" / "METADATA").write_text("Name: chatterbox-tts\nVersion: 9\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in engines.ENGINES["chatterbox"].files:
        (tmp_path / name).touch()
    settings(chatterbox=tmp_path)
    assert len(engines.fingerprint("chatterbox")) == 64
    with pytest.raises(BadInput, match=r"chatterbox said nothing in 'Good morning"):
        engines.speak("Good morning.", NOBODY, engines.SpeakOptions("chatterbox"), Context(tmp_path, "cpu"))
    for name in ("chatterbox", "chatterbox.tts"):
        sys.modules.pop(name, None)
