"""Text is written as it is spoken."""

import pytest

from retac_node.ops import numbers, text


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
        ("World War II, Chapter IV, Rocky III", "World War two, Chapter four, Rocky three."),
        ("Henry VIII met King Charles I", "Henry the eighth met King Charles the first."),
        ("When Elizabeth I love sings", "When Elizabeth I love sings."),
        (
            "On 12/25/1999, not 2021-03-04",
            "On December twenty-fifth, nineteen ninety-nine, not March fourth, twenty twenty-one.",
        ),
        ("the 4 July 1776 and 5th May", "the fourth of July, seventeen seventy-six and the fifth of May."),
        (
            "$5-10, $3.2bn, 30 USD, 50¢",
            "five to ten dollars, three point two billion dollars, thirty U S dollars, fifty cents.",
        ),
        ("5'10\", 50 m², 10 m/s, 5G", "five foot ten, fifty square meters, ten meters per second, five G."),
        ("12V and 3 in. of rain", "twelve volts and three inches of rain."),
        ("open 24/7, half 50/50, 3/4", "open twenty-four seven, half fifty-fifty, three quarters."),
        ("2x4, 7 * 8, 10 / 2", "two by four, seven times eight, ten divided by two."),
        ("Room 101, Flight 370, 1080p", "Room one oh one, Flight three seventy, ten eighty P."),
        ("FBI, CIA, and ISBN", "F B I, C I A, and I S B N."),
        ("Mr. and Mrs. Brown, Dr Lee, Sgt Pepper", "Mister and Missus Brown, Doctor Lee, Sergeant Pepper."),
        ("rock 'n' roll, pp. 6-8, No. 5", "rock and roll, pages six to eight, number five."),
        ("Go to https://www.foo.org/a?b=1", "Go to foo dot org slash a."),
        ("A PhD, c/o Bob, and/or me", "A P H D, care of Bob, and or me."),
        ("Łódź ™ — naïve", "Lodz — naive."),
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


@pytest.mark.parametrize(("letters", "number"), [("II", 2), ("IV", 4), ("XIX", 19), ("XL", 40), ("IIX", 0), ("MIX", 0)])
def test_roman_numerals(letters: str, number: int) -> None:
    assert numbers.roman(letters) == number


def test_a_shout_is_words_and_not_letters() -> None:
    assert text.words("STOP THAT NOW!") == ["stop", "that", "now"]
    assert text.words("RUN! THE FBI") == ["run", "the", "f", "b", "i"]


def test_texts_that_sound_alike_have_the_same_words() -> None:
    assert text.words("Twenty-five percent, OK?") == text.words("25% O.K.")


@pytest.mark.parametrize("number", [0, 7, 13, 20, 99, 100, 101, 1000, 12_345, 10**6, 10**12 + 1])
def test_cardinals_and_ordinals_have_only_letters(number: int) -> None:
    for spoken in (numbers.cardinal(number), numbers.ordinal(number)):
        assert all(part.isalpha() for part in spoken.replace("-", " ").split())
