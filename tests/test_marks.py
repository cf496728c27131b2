"""A word is said as its mark says and shown as it is written, and a wrong mark is refused by name."""

import numpy as np
import pytest
from retac_shared import marks
from retac_shared.options import MAX_WORDS, VoiceOptions, check_text

from retac_node import assets
from retac_node.models import aligner, kokoro, kokoro_letters, recogniser
from retac_node.ops import phonemes, sound, text
from retac_node.ops.phrases import phrases

needs_voice = pytest.mark.skipif(not assets.available("kokoro"), reason="no voice model here")
needs_recogniser = pytest.mark.skipif(not assets.available("whisper_tiny_en"), reason="no recogniser here")


@pytest.mark.parametrize(
    ("phones", "letters"),
    [
        ("W IH1 N", "wˈɪn"),
        ("w ih n", "wˈɪn"),
        ("AH0 B AW1 T", "əbˈWt"),
        ("N UW1 Y ER0", "nˈujəɹ"),
        ("/wˈɪn/", "wˈɪn"),
        ("/ˈnɡuːjən/", "nɡˈujən"),
        ("/tʃeɪndʒ/", "ʧˈAnʤ"),
        ("/ðə/", "ðə"),
    ],
)
def test_arpabet_and_ipa_give_the_synthesisers_letters(phones: str, letters: str) -> None:
    assert marks.letters(phones, "word") == letters


def test_every_accepted_symbol_can_be_spoken() -> None:
    for letters in (*marks.ARPABET.values(), *marks.IPA.values()):
        assert all(letter in kokoro_letters.SYMBOLS for letter in letters)
    assert [phonemes.from_symbols(marks.ARPABET[phone])[0][0] for phone in phonemes.ARPABET] == [
        *phonemes.ARPABET.values()
    ]


def test_a_marked_word_is_shown_as_written_and_said_as_marked() -> None:
    words = kokoro_letters.spell(
        "Dr. [Nguyen](W IH1 N)'s dog saw the [owl](/aʊl/)-like [4K](F AO1 R K EY1) [Xi](SH IY1)."
    )
    assert [word.label for word in words] == ["Doctor", "Nguyen's", "dog", "saw", "the", "owl", "like", "4K", "Xi"]
    assert [words[i].symbols for i in (1, 4, 5, 7, 8)] == ["wˈɪnz", "ði", "ˈWl", "fˈɔɹkˈA", "ʃˈi."]


def test_the_text_around_a_mark_is_still_normalised() -> None:
    assert phrases("At 7:05 [Xi](SH IY1) paid $3.")[0].text == "At seven oh five Zqxaq paid three dollars."


def test_transcripts_see_words_and_no_marks() -> None:
    assert text.words("Ask [Nguyen](W IH1 N), [pause 0.5] please.") == ["ask", "nguyen", "please"]


def test_ordinary_brackets_are_ordinary() -> None:
    assert text.normalise("He [she] left (twice).") == "He, she, left, twice."
    check_text("[Laughs] the end [of it] (really)")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("Ask [Nguyen](W IX1 N)", r"'Nguyen' has 'IX1'.*ARPABET \(AA AE .*IPA between slashes"),
        ("Ask [Nguyen](/wxn/)", "'Nguyen' has 'x'"),
        ("Ask [Bob](B1 AA B)", "'Bob' has 'B1'"),
        ("Ask [Bob]()", "'Bob' has an empty pronunciation"),
        ("Ask [Bob](//)", "'Bob' has an empty pronunciation"),
        ("Ask [](B AA B)", r"\(B AA B\) has no word"),
        ("Ask [Bob](" + "B " * 70 + ")", "'Bob' has 70 letters"),
        ("Wait [pause 9] here", r"\[pause 9\] is no pause; give seconds from 0.05 to 3"),
        ("Wait [pause] here", r"\[pause 0.5\]"),
        ("[pause 1] Wait", "between two words"),
        ("Wait [pause 1][pause 1] here", "between two words"),
    ],
)
def test_a_wrong_mark_is_refused_by_name(line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence) as refusal:
        VoiceOptions(line)
    assert "\n" not in str(refusal.value)


def test_marks_are_not_counted_as_words_and_their_ipa_is_no_foreign_script() -> None:
    check_text(" [pause 0.2] ".join(["[Xi](/ʃiː/)"] * MAX_WORDS))
    check_text("Ask [Nguyễn](/ˈnɡuːjən/)")


def test_a_pause_ends_a_pass_and_the_phrase_goes_on() -> None:
    words = kokoro_letters.spell("Well [pause 0.5] I think so.")
    assert [word.pause for word in words] == [0.5, None, None, None]
    assert [len(piece) for piece in kokoro_letters.passes(words)] == [1, 3]
    assert words[0].symbols.endswith(",")


def test_stars_stress_the_words_they_stand_around() -> None:
    line = "I said *no*, Dr. *Brown*. [pause 0.3] Give *$25* to *[Nguyen](W IH1 N)*!"
    assert [word.label for word in kokoro_letters.spell(line) if word.stressed] == [
        "no", "Brown", "twenty-five", "dollars", "Nguyen"
    ]  # fmt: skip
    assert text.words(line)[:6] == ["i", "said", "no", "doctor", "brown", "give"]


@pytest.mark.parametrize("line", ["3 * 4 * 5 is 60", "2*3*4", "a * b", "* a *", "**"])
def test_other_stars_stress_nothing(line: str) -> None:
    assert not any(phrase.stressed for phrase in phrases(line))


@needs_voice
def test_a_stressed_word_is_longer_and_higher_and_no_other_word_is() -> None:
    bank = kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[0])
    session = kokoro.load(assets.path("kokoro"))
    plain, strong = (kokoro.speak(session, styles, line) for line in ("We saw Mary there.", "We saw *Mary* there."))
    longer = [(b.end - b.start) / (a.end - a.start) for a, b in zip(plain.words, strong.words, strict=True)]
    assert longer[2] > 1.15
    assert longer[:2] == pytest.approx([1, 1], abs=0.1)
    mary = [
        sound.pitch(u.samples, kokoro.RATE)[int(100 * u.words[2].start) : int(100 * u.words[2].end)]
        for u in (plain, strong)
    ]
    assert np.median(mary[1][mary[1] > 0]) > 1.05 * np.median(mary[0][mary[0] > 0])


@pytest.mark.parametrize(
    ("line", "language"),
    [
        ("Guten Tag, wie geht es Ihnen?", "German"),
        ("Bonjour, comment allez-vous aujourd'hui ?", "French"),
        ("Hola, ¿cómo estás?", "Spanish"),
        ("Ciao, come stai oggi? Sono molto felice.", "Italian"),
        ("Goedemorgen, hoe gaat het met je?", "Dutch"),
    ],
)
def test_another_language_is_refused_with_what_can_be_spoken(line: str, language: str) -> None:
    with pytest.raises(ValueError, match=f"reads as {language}; the languages that can be spoken are: English"):
        VoiceOptions(line)


@pytest.mark.parametrize(
    "line",
    [
        "C'est la vie.",
        "Mi amigo said adios to me.",
        "The Café de la Paix is in Paris.",
        "Die, monster, die!",
        "Les met Di.",
        "The key is 9a7e2e.",
        "9a7e2e",
        "W W W.",
        "Vitamin E, o and e.",
        "Platform E. Gate Y, seat O.",
        "Example dot com, dot com, dot com.",
        "Na na na na, hey Jude.",
    ],
)
def test_english_with_foreign_words_is_english(line: str) -> None:
    check_text(line)


@pytest.fixture(scope="module")
def said() -> kokoro.Utterance:
    bank = kokoro.load_voices()
    styles = bank.mixed(np.eye(len(bank.names), dtype=np.float32)[0])
    session = kokoro.load(assets.path("kokoro"))
    return kokoro.speak(session, styles, "My name is [Xqz](D EY1 V IH0 D). [pause 0.8] I live in Boston.")


@needs_voice
def test_a_pause_lasts_as_asked(said: kokoro.Utterance) -> None:
    before, after = said.words[3], said.words[4]
    assert (before.label, after.label) == ("Xqz", "I")
    assert after.start - before.end == pytest.approx(0.8, abs=0.15)


@needs_voice
@needs_recogniser
def test_the_marked_sounds_are_heard(said: kokoro.Utterance) -> None:
    assert "my name is david" in " ".join(text.words(recogniser.transcribe(said.samples, kokoro.RATE)))


@needs_voice
def test_a_recording_is_aligned_by_the_marked_sounds(said: kokoro.Utterance) -> None:
    line = "My name is [Xqz](D EY1 V IH0 D). I live in Boston."
    words, sounds = aligner.align(said.samples, kokoro.RATE, line)
    assert [word.label for word in words] == ["my", "name", "is", "Xqz", "i", "live", "in", "boston"]
    inside = [each.label for each in sounds if words[3].start <= each.start < words[3].end]
    assert inside == ["d", "eɪ", "v", "ɪ", "d"]
