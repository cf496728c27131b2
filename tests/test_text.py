"""Text is written as it is spoken."""

import pytest

from retac_node.ops import text


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Dr. Smith met Mrs. Lee.", "Doctor Smith met Missus Lee."),
        ("It costs $4.50 or £1.2 million", "It costs four dollars and fifty cents or one point two million pounds."),
        ("25% of 1,234 people", "twenty-five percent of one thousand two hundred thirty-four people."),
        ("the 21st, the 1990s, in 1905", "the twenty-first, the nineteen nineties, in nineteen oh five."),
        ("at 7:05 p.m. on Jan. 3, 1961!", "at seven oh five P M on January third, nineteen sixty-one!"),
        ("In St. Paul, on Main St. we met", "In Saint Paul, on Main Street we met."),
        ("He lives on 5th Ave. She left.", "He lives on fifth Avenue. She left."),
        ("2-3 days, -5 degrees, 3/4 cup", "two to three days, minus five degrees, three quarters cup."),
        ("e.g. 5 km/h & 5ft", "for example, five kilometers per hour and five feet."),
        ("the FBI and NASA", "the F B I and NASA."),
        ("mail a.b@foo.com", "mail a dot b at foo dot com."),
        ("“Don’t,” he said – “go”...", '"Don\'t," he said — "go"…'),
    ],
)
def test_written_forms_are_spelled_out(written: str, spoken: str) -> None:
    assert text.normalise(written) == spoken


def test_contractions_and_possessives_are_kept() -> None:
    assert text.normalise("It's the dog's, isn't it?") == "It's the dog's, isn't it?"


def test_normalised_text_does_not_change_again() -> None:
    once = text.normalise("Mr. O'Neil paid $3 at 10:00; 50% of it — twice — in 2007... Really?!")
    assert text.normalise(once) == once


def test_sentences_keep_their_marks() -> None:
    assert text.sentences("Who is it? It is me! Good.") == ["Who is it?", "It is me!", "Good."]


def test_a_shout_is_words_and_not_letters() -> None:
    assert text.words("STOP THAT NOW!") == ["stop", "that", "now"]


def test_texts_that_sound_alike_have_the_same_words() -> None:
    assert text.words("Twenty-five percent, OK?") == text.words("25% O.K.")


@pytest.mark.parametrize("number", [0, 7, 13, 20, 99, 100, 101, 1000, 12_345, 10**6, 10**12 + 1])
def test_cardinals_and_ordinals_have_only_letters(number: int) -> None:
    for spoken in (text.cardinal(number), text.ordinal(number)):
        assert all(part.isalpha() for part in spoken.replace("-", " ").split())
