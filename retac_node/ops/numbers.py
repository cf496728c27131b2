"""Reads numbers aloud in American English: cardinals, ordinals, years, digits, Roman numerals.  Pure; finds nothing in texts."""

import re

ONES = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ((10**12, "trillion"), (10**9, "billion"), (10**6, "million"), (1000, "thousand"), (100, "hundred"))
IRREGULAR_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth", "nine": "ninth",
    "twelve": "twelfth",
}  # fmt: skip

ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def cardinal(number: int) -> str:
    """1204 -> "one thousand two hundred four"."""
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f"-{ONES[number % 10]}" if number % 10 else "")
    for scale, name in SCALES:
        if number >= scale:
            rest = number % scale
            return f"{cardinal(number // scale)} {name}" + (f" {cardinal(rest)}" if rest else "")
    raise AssertionError(number)


def ordinal(number: int) -> str:
    """21 -> "twenty-first"."""
    head, join, last = re.match(r"(.*?)([ -]?)([a-z]+)$", cardinal(number)).groups()  # type: ignore[union-attr]
    if last in IRREGULAR_ORDINALS:
        return head + join + IRREGULAR_ORDINALS[last]
    return head + join + (last[:-1] + "ieth" if last.endswith("y") else last + "th")


def year(number: int) -> str:
    """1961 -> "nineteen sixty-one"; 2007 -> "two thousand seven"; 1905 -> "nineteen oh five"."""
    century, rest = divmod(number, 100)
    if number % 1000 < 10 or number < 1000:
        return cardinal(number)
    if rest == 0:
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' + ONES[rest] if rest < 10 else cardinal(rest)}"


def spoken_number(digits: str) -> str:
    """Reads a number as written; decimals, a leading 0 and very long runs are read digit by digit."""
    whole, point, decimals = digits.replace(",", "").partition(".")
    if (len(whole) > 1 and whole[0] == "0") or len(whole) > 15:
        spoken = spell_digits(whole)
    else:
        spoken = cardinal(int(whole or "0"))
    return f"{spoken} point {spell_digits(decimals)}" if point and decimals else spoken


def spell_digits(digits: str) -> str:
    return " ".join(ONES[int(digit)] for digit in digits)


def in_pairs(digits: str) -> str:
    """Reads a number of a room, a flight or a screen: "101" -> "one oh one", "1080" -> "ten eighty"."""
    if len(digits) not in (3, 4) or digits[-2:] == "00" or digits[0] == "0":
        return spoken_number(digits)
    rest = int(digits[-2:])
    return f"{cardinal(int(digits[:-2]))} {'oh ' + ONES[rest] if rest < 10 else cardinal(rest)}"


def roman(letters: str) -> int:
    """XIV -> 14; 0 for letters that are no Roman numeral below 90."""
    if not re.fullmatch(r"L?X{0,3}(?:IX|IV|V?I{0,3})|XL(?:IX|IV|V?I{0,3})", letters):
        return 0
    values = [ROMAN[letter] for letter in letters]
    return sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True))
