"""The line is said in the reference's voice, in its place, and every refusal says what to do."""

import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile
from retac_shared.options import VoiceOptions

from retac_node import assets, media
from retac_node.data import Clip, Speech, Timed
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import aligner, clone, kokoro, kokoro_letters, recogniser, speaker, style, watermark
from retac_node.ops import loudness, phonemes, room, sound
from retac_node.stages import voice

MATERIAL = Path(os.environ.get("RETAC_MATERIAL", Path(__file__).parents[2] / "shared" / "material"))
JFK = MATERIAL / "speech" / "jfk.flac"
needs_models = pytest.mark.skipif(
    not all(assets.available(name) for name in ("kokoro", "speaker_encoder", "perth")), reason="no voice models here"
)
needs_recogniser = pytest.mark.skipif(not assets.available("whisper_tiny_en"), reason="no recogniser here")
needs_material = pytest.mark.skipif(not JFK.exists(), reason="no test material here")


def clip_of(samples: np.ndarray, rate: int = 16_000) -> Clip:
    return Clip("0", "shot.mp4", Fraction(25), np.zeros(50), 64, 64, samples.astype(np.float32), rate)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * 16_000), np.float32)


@pytest.fixture(scope="module")
def jfk() -> Clip:
    return clip_of(*media.read_audio(JFK))


@pytest.fixture(scope="module")
def said(jfk: Clip, tmp_path_factory: pytest.TempPathFactory) -> Speech:
    return voice.run(Context(tmp_path_factory.mktemp("voice"), "cpu"), VoiceOptions("Come with me, Bob."), jfk)


def test_a_clip_without_sound_asks_for_a_voice(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"shot.mp4 has no audio track.*--voice"):
        voice.run(Context(tmp_path, "cpu"), VoiceOptions("Hello"), clip_of(silence(0)))


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.05])
def test_silence_and_noise_are_no_voice(tmp_path: Path, level: float) -> None:
    noise = np.random.default_rng(0).normal(0, 1, 48_000) * level
    with pytest.raises(BadInput, match=r"shot.mp4 (has|sounds like) .* s of .*speech.*--voice"):
        voice.run(Context(tmp_path, "cpu"), VoiceOptions("Hello"), clip_of(noise))


def test_a_silent_recorded_line_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "line.wav", silence(1), 16_000)
    ctx = Context(tmp_path, "cpu", sources={"a": tmp_path / "line.wav"})
    with pytest.raises(BadInput, match=r"line.wav has no sound"):
        voice.run(ctx, VoiceOptions(audio="a"), clip_of(silence(0)))


def test_the_mix_of_a_known_voice_is_that_voice() -> None:
    bank = kokoro.load_voices()
    for index in (0, 7, len(bank.names) - 1):
        weights = style.nearest_mix(bank.embeddings, bank.embeddings[index])
        assert weights.sum() == pytest.approx(1)
        assert weights[index] == pytest.approx(1, abs=1e-3)


def test_every_voice_has_a_style_for_every_length() -> None:
    bank = kokoro.load_voices()
    assert len(bank.names) == 28
    styles = bank.mixed(np.full(28, 1 / 28, np.float32))
    assert styles.shape == (510, 256)
    assert np.isfinite(styles).all()
    assert ((bank.pitches > 70) & (bank.pitches < 300)).all()


def test_every_symbol_of_the_synthesiser_is_a_phoneme_stress_or_mark() -> None:
    unknown = {symbol for symbol in kokoro_letters.SYMBOLS if symbol.isalpha() and not phonemes.from_symbol(symbol)}
    assert unknown <= {*"aeo", *phonemes.STRESS}  # first halves of diphthongs, which English never has alone


def test_no_sound_of_a_word_is_lost() -> None:
    spelled = {word.label: [each[0] for each in phonemes.from_symbols(word.symbols)] for word in kokoro_letters.spell(
        "thirty little water judge vision thing button hour")}  # fmt: skip
    assert [len(sounds) for sounds in spelled.values()] == [4, 5, 4, 3, 5, 3, 4, 2]


def test_phonemes_are_split_with_their_stress_and_r() -> None:
    assert [found[0] for found in phonemes.from_symbols("bˈɜɹd")] == ["b", "ɝ", "d"]
    assert phonemes.from_symbols("ʧˈA") == [("tʃ", 0, 1), ("eɪ", 1, 3)]


def test_labels_are_silence_between_phonemes() -> None:
    spoken = (Timed("m", 0.1, 0.2), Timed("i", 0.2, 0.3), Timed("b", 0.5, 0.6))
    labels = phonemes.labels_at(spoken, np.array([0.0, 0.15, 0.25, 0.4, 0.55, 0.7]))
    assert [phonemes.PHONEMES[label] for label in labels] == ["sil", "m", "i", "sil", "b", "sil"]


def test_a_long_line_is_cut_at_sentences_and_nothing_is_lost() -> None:
    words = kokoro_letters.spell(
        "We were here before them all. Then they came over the hills, and the river was high. " * 8
    )
    pieces = kokoro_letters.passes(words)
    assert [word for piece in pieces for word in piece] == words
    assert all(sum(len(word.symbols) + 1 for word in piece) <= kokoro_letters.LIMIT for piece in pieces)
    assert all(piece[-1].symbols[-1] in ".!?" for piece in pieces)


def test_a_spelled_a_is_a_letter_and_not_the_article() -> None:
    assert [word.symbols for word in kokoro_letters.spell("The USA had a plan")][3] == "ˈA"


def test_a_word_before_a_pause_ends_where_its_sound_does() -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 2 * kokoro.RATE).astype(np.float32)
    samples[int(0.5 * kokoro.RATE) : int(1.0 * kokoro.RATE)] = 0
    words = (Timed("a", 0.1, 0.3), Timed("b", 0.3, 0.7), Timed("c", 1.0, 1.9))
    sounds = (Timed("m", 0.1, 0.3), Timed("i", 0.35, 0.7), Timed("b", 1.0, 1.9))
    ended = kokoro.before_pauses(words, sounds, samples)
    assert [round(word.end, 2) for word in ended[0]] == [0.3, pytest.approx(0.5, abs=0.03), 1.9]
    assert ended[1][1].end == ended[0][1].end


@needs_models
@needs_material
def test_words_and_phonemes_follow_each_other_inside_the_sound(said: Speech) -> None:
    assert [word.label for word in said.words] == ["Come", "with", "me", "Bob"]
    for items in (said.words, said.phonemes):
        edges = [time for item in items for time in (item.start, item.end)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert edges[-1] <= said.seconds
    assert {phoneme.label for phoneme in said.phonemes} <= set(phonemes.PHONEMES)


@needs_models
@needs_material
def test_the_ends_are_quiet_and_not_clipped(said: Speech) -> None:
    head, tail = int(0.02 * said.rate), int(0.03 * said.rate)
    loud = np.abs(said.samples).max()
    assert np.abs(said.samples[:head]).max() < 0.05 * loud
    assert np.abs(said.samples[-tail:]).max() < 0.05 * loud


@needs_models
@needs_material
def test_synthetic_speech_is_marked_and_a_recording_is_not(said: Speech, jfk: Clip) -> None:
    assert watermark.detect(said.samples, said.rate) > 0.9
    assert watermark.detect(jfk.audio, jfk.audio_rate) < 0.5


@needs_models
@needs_material
def test_pitch_and_level_are_the_references(said: Speech, jfk: Clip) -> None:
    reference = clone.learn(jfk.audio, jfk.audio_rate, "jfk")
    bounded = np.clip(loudness.speech_loudness(jfk.audio, jfk.audio_rate), *room.LOUDNESS)
    assert loudness.speech_loudness(said.samples, said.rate) == pytest.approx(bounded, abs=3)
    assert sound.median_pitch(said.samples, said.rate) == pytest.approx(reference.pitch, rel=0.15)
    assert said.similarity > 0.5


@needs_models
@needs_material
def test_the_same_line_twice_is_the_same_sound(said: Speech, jfk: Clip, tmp_path: Path) -> None:
    again = voice.run(Context(tmp_path, "cpu"), VoiceOptions("Come with me, Bob."), jfk)
    assert np.array_equal(again.samples, said.samples)


@needs_models
@needs_material
def test_a_line_too_long_for_its_slot_says_what_it_needs(jfk: Clip, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"the line needs \d\.\d s at the fastest pace.* 0\.5 s; move --end"):
        voice.run(Context(tmp_path, "cpu"), VoiceOptions("Come with me, Bob.", slot_seconds=0.5), jfk)


@needs_models
@needs_recogniser
@needs_material
def test_the_right_words_are_heard(said: Speech) -> None:
    assert recogniser.word_error_rate("Come with me, Bob.", recogniser.transcribe(said.samples, said.rate)) == 0


@needs_models
@needs_material
def test_a_recorded_line_is_kept_and_timed(jfk: Clip, tmp_path: Path) -> None:
    line = "And so my fellow Americans"
    soundfile.write(tmp_path / "line.wav", jfk.audio[: int(3.3 * jfk.audio_rate)], jfk.audio_rate)
    ctx = Context(tmp_path, "cpu", sources={"a": tmp_path / "line.wav"})
    speech = voice.run(ctx, VoiceOptions(text=line, audio="a", slot_seconds=4.0), jfk)
    assert [word.label for word in speech.words] == line.lower().split()
    assert speech.seconds == 4.0
    assert watermark.detect(speech.samples, speech.rate) < 0.5


@needs_models
@needs_material
def test_a_speaker_is_nearer_to_himself_than_to_another(jfk: Clip) -> None:
    half = len(jfk.audio) // 2
    one, two = (speaker.embed(part, jfk.audio_rate) for part in (jfk.audio[:half], jfk.audio[half:]))
    other_file = next((MATERIAL / "speech" / "librispeech").rglob("*.flac"))
    samples, rate = media.read_audio(other_file)
    assert speaker.similarity(one, two) > speaker.similarity(one, speaker.embed(samples, rate)) + 0.1


@needs_material
def test_alignment_fits_the_energy_and_does_not_depend_on_history(jfk: Clip) -> None:
    part = jfk.audio[: int(3.3 * jfk.audio_rate)]
    first = aligner.align(part, jfk.audio_rate, "And so my fellow Americans")
    aligner.align(jfk.audio[int(3.3 * jfk.audio_rate) :], jfk.audio_rate, "ask not what your country can do for you "
                  "ask what you can do for your country")  # fmt: skip
    assert aligner.align(part, jfk.audio_rate, "And so my fellow Americans") == first


def test_word_errors_count_edits() -> None:
    assert recogniser.word_error_rate("meet me at 7:05", "Meet me at seven oh five.") == 0
    assert recogniser.word_error_rate("one two three four", "one too three") == 0.5
