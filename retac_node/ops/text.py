"""Writes English text the way it is spoken: numbers, money, times and abbreviations as words.  Pure; never phonemes.

Punctuation that shapes the melody of a sentence (. , ? ! ; : — …) is kept; contractions are kept; the rest is spelled
out or dropped.  Marks of pronunciation (see ops/phrases.py) are dropped.  `words` gives the bare words that
a transcript is compared by.
"""

import re
import unicodedata
from collections.abc import Callable

from retac_shared import marks

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

TITLES = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "rev": "Reverend", "gen": "General",
    "col": "Colonel", "capt": "Captain", "lt": "Lieutenant", "sgt": "Sergeant", "sen": "Senator", "gov": "Governor",
    "hon": "Honorable", "mt": "Mount",
}  # fmt: skip
ENDINGS = {  # these may also end a sentence
    "jr": "Junior", "sr": "Senior", "etc": "et cetera", "inc": "Incorporated", "ltd": "Limited", "corp": "Corporation",
    "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "dept": "Department",
}  # fmt: skip
SHORT = {"vs": "versus", "approx": "approximately", "est": "established"}
MONTHS = {
    "jan": "January", "feb": "February", "mar": "March", "apr": "April", "jun": "June", "jul": "July",
    "aug": "August", "sept": "September", "sep": "September", "oct": "October", "nov": "November", "dec": "December",
}  # fmt: skip
PHRASES = {
    "e.g.": "for example,",
    "i.e.": "that is,",
    "a.k.a.": "also known as",
    "ph.d.": "P H D",
    "w/o": "without",
    "w/": "with",
}
UNITS = {
    "ft": "foot", "km/h": "kilometer per hour",
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram",
    "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce", "mph": "mile per hour", "ghz": "gigahertz",
    "mhz": "megahertz", "khz": "kilohertz", "hz": "hertz", "gb": "gigabyte", "mb": "megabyte", "kb": "kilobyte",
    "tb": "terabyte", "ms": "millisecond", "fps": "frame per second", "°c": "degree Celsius", "°f": "degree Fahrenheit",
    "°": "degree", "min": "minute", "hrs": "hour", "hr": "hour", "sec": "second",
}  # fmt: skip
MONEY = {"$": ("dollar", "cent"), "£": ("pound", "pence"), "€": ("euro", "cent"), "¥": ("yen", "")}
SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "%": "percent", "#": "number", "°": "degrees", "×": "times",
}  # fmt: skip
EMPHATIC = {  # short words that people write in capitals and mean as words
    "NO", "GO", "NOW", "YES", "NOT", "ALL", "YOU", "ME", "WE", "HE", "SHE", "IT", "IS", "AND", "THE", "BUT", "ONE",
    "MY", "SO", "DO", "OUT", "OFF", "ON", "IN", "UP", "HER", "HIS", "WHO", "WHY", "HOW", "ARE", "WAS", "CAN", "ANY",
}  # fmt: skip
LIGATURES = {"æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ß": "ss", "ø": "o", "Ø": "O", "ł": "l", "đ": "d", "ð": "th"}

NUMBER = r"\d{1,3}(?:,\d{3})+|\d+"


def normalise(text: str) -> str:
    """Gives the text with everything that is not a plain word or a mark of melody spelled out."""
    text = plain_marks(marks.plain(text))
    for pattern, spoken in RULES:
        text = pattern.sub(spoken, text)
    return tidy(text)


def sentences(text: str) -> list[str]:
    """Splits normalised text after . ? ! and …, keeping the marks and closing quotes."""
    return [part for part in re.split(r"(?<=[.?!…])[”\"]?\s+|(?<=[.?!…][”\"])\s+", text.strip()) if part]


def words(text: str) -> list[str]:
    """Gives the spoken words alone, lower case, without marks; two texts that sound alike give the same list."""
    spoken = normalise(text).lower().replace("-", " ")
    return [word.strip("'") for word in re.findall(r"[a-z']+", spoken) if word.strip("'")]


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


def plural(word: str) -> str:
    """Makes the first noun of a unit plural: "kilometer per hour" -> "kilometers per hour"."""
    if word in ("pence", "yen", "hertz") or word.endswith("hertz"):
        return word
    first, space, rest = word.partition(" ")
    return ("feet" if first == "foot" else first + "s") + space + rest


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


def plain_marks(text: str) -> str:
    """Reduces the many quotes, dashes and accents of typeset text to the few that are spoken."""
    text = unicodedata.normalize("NFKC", text.replace("…", "...").replace("º", "°"))
    text = "".join(LIGATURES.get(letter, letter) for letter in text)
    text = "".join(mark for mark in unicodedata.normalize("NFKD", text) if not unicodedata.combining(mark))
    text = re.sub(r"(?<=\w)[ \t]*\n\s*\n\s*", ". ", text)  # a new paragraph is a new sentence
    text = re.sub(r"[‘’ʼ`´]", "'", text)
    text = re.sub(r"[“”„«»]", '"', text)
    text = re.sub(r"\s*(?:—|―|--+|\s[–-]\s)\s*", " — ", text)
    return text.replace("–", "-").replace("\u2044", "/")


def tidy(text: str) -> str:
    """Drops what has no sound and sets the spaces right."""
    text = re.sub(r"\.{2,}", "…", text)
    text = re.sub(r"[()\[\]{}]", ", ", text)
    text = re.sub(r"[^A-Za-z'\-\".,?!;:—…\s]", " ", text)
    text = re.sub(r"(?<![A-Za-z])'|'(?![A-Za-z])", " ", re.sub(r"(s)'(?=\s)", r"\1", text))
    text = re.sub(r"(?<![A-Za-z])-|-(?![A-Za-z])", " ", text)
    text = re.sub(r"\s+([.,?!;:…])", r"\1", re.sub(r"\s+", " ", text))
    text = re.sub(r"([,;:])[,;:]+", r"\1", re.sub(r",([.?!…;:])", r"\1", text))
    text = re.sub(r"([!?])[!?.]+", r"\1", text).strip().lstrip(".,;:!?… ")
    return text if not text or text[-1] in '.,?!;:—…"' else text + "."


def money(match: re.Match[str]) -> str:
    unit, part = MONEY[match["sign"]]
    if match["scale"]:
        return f"{spoken_number(match['amount'])} {match['scale']} {plural(unit)}"
    whole, _, cents = match["amount"].replace(",", "").partition(".")
    spoken = f"{cardinal(int(whole))} {unit if int(whole) == 1 else plural(unit)}"
    if not cents.strip("0"):
        return spoken
    if len(cents) != 2 or not part:
        return f"{spoken_number(match['amount'])} {plural(unit)}"
    small = f"{cardinal(int(cents))} {part if int(cents) == 1 else plural(part)}"
    return small if int(whole) == 0 else f"{spoken} and {small}"


def clock(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = {"a": " A M", "p": " P M", "": ""}[(match["half"] or "").lower()[:1]]
    half += stop_after(match) if match[0].endswith(".") else ""
    if minute == 0:
        return cardinal(hour) + (half or (" hundred hours" if hour > 12 or hour == 0 else " o'clock"))
    return f"{cardinal(hour)} {'oh ' + ONES[minute] if minute < 10 else cardinal(minute)}{half}"


def measure(match: re.Match[str]) -> str:
    unit = UNITS[match["unit"].lower()]
    return f"{spoken_number(match['amount'])} {unit if match['amount'] == '1' else plural(unit)}"


def decade(match: re.Match[str]) -> str:
    """1990s -> "nineteen nineties"; '80s -> "eighties"."""
    digits = match["digits"]
    spoken = year(int(digits)) if len(digits) == 4 else cardinal(int(digits))
    return spoken[:-1] + "ies" if spoken.endswith("y") else spoken + "s"


def fraction(match: re.Match[str]) -> str:
    over, under = int(match["over"]), int(match["under"])
    name = {2: "half", 4: "quarter"}.get(under) or (ordinal(under) if under else "zero")
    if over != 1:
        name = "halves" if name == "half" else name + "s"
    whole = f"{cardinal(int(match['whole']))} and " if match["whole"] else ""
    return f"{whole}{'a' if whole and over == 1 else cardinal(over)} {name}"


def phone(match: re.Match[str]) -> str:
    return ", ".join(spell_digits(group) for group in re.findall(r"\d+", match[0]))


def ending(match: re.Match[str]) -> str:
    """etc. -> et cetera, with a full stop where the sentence ends too."""
    return ENDINGS[match["name"].lower()] + stop_after(match)


def stop_after(match: re.Match[str]) -> str:
    """Gives the full stop that an abbreviation's own dot stands for, at the end or before a new sentence."""
    return "." if re.match(r"[\"']?\s*$|[\"']?\s+[A-Z][a-z]", match.string[match.end() :]) else ""


def saint_or_street(match: re.Match[str]) -> str:
    """on Main St. -> Street, in St. Paul -> Saint; on Elm Dr. -> Drive, and Dr. Smith -> Doctor."""
    before, after = match.string[: match.start()], match.string[match.end() :]
    place, person = {"st": ("Street", "Saint"), "dr": ("Drive", "Doctor")}[match["name"].lower()]
    on_a_road = re.search(r"(?:[a-z]\s+[A-Z]\w+|\d(?:st|nd|rd|th))\s+$", before)
    if on_a_road or not re.match(r"\s+[A-Z]", after):
        return place + stop_after(match)
    return person


def initials(match: re.Match[str]) -> str:
    """U.S.A. -> "U S A", with a full stop only at the very end: U.S. Army is one phrase."""
    letters = " ".join(re.sub(r"[^A-Za-z]", "", match[0]).upper())
    return letters + ("" if match.string[match.end() :].strip(" \"'") else ".")


def capitals(match: re.Match[str]) -> str:
    """Spells capitals that cannot be read as a word: FBI, TV's; a pronounceable one stays: NASA."""
    letters, s = match["letters"], match["s"] or ""
    readable = letters in EMPHATIC or (len(letters) > 3 and re.search(r"[AEIOU]", letters))
    return match[0] if readable else " ".join(letters) + s


def shouted(match: re.Match[str]) -> str:
    """A run of three words in capitals, one of them long, is a shout and no row of acronyms."""
    return match[0].lower() if re.search(r"[A-Z]{4}", match[0]) else match[0]


def email_or_site(match: re.Match[str]) -> str:
    spoken = re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0]).rstrip("/")
    for mark, name in ((".", " dot "), ("@", " at "), ("/", " slash "), ("-", " dash "), ("_", " underscore ")):
        spoken = spoken.replace(mark, name)
    return spoken


def rule(pattern: str, spoken: Callable[[re.Match[str]], str], flags: int = 0) -> tuple[re.Pattern[str], Callable]:
    return re.compile(pattern, flags), spoken


def one_of(names: dict[str, str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


NUMERAL = rf"(?P<amount>(?:{NUMBER})(?:\.\d+)?)"
DAY = r"(?P<day>[12]?\d|3[01])\b(?![\d:,]\d)"
SITE = r"https?://\S*\w|www\.\S*\w|[\w.]+@[\w-]+\.\w[\w.]*\w|\w+\.(?:com|org|net|edu|gov|io)\b(?:/\w+)*"
PHONE = r"(?:\+?1[-. ])?\(?\b\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b|\b\d{3}-\d{4}\b"
MONTH = "|".join([*MONTHS.values(), "May"])

RULES = (
    rule(rf"\b(?:{SITE})", email_or_site),
    rule(r"\b[A-Z']+(?:[ ,]+[A-Z']+){2,}\b", shouted),
    rule(rf"(?<!\w)(?:{one_of(PHRASES)})(?=[\s,]|$),?", lambda m: PHRASES[m[0].rstrip(",").lower()], re.I),
    rule(r"\b(?P<name>St|Dr)\.", saint_or_street),
    rule(rf"\b(?P<name>(?i:{one_of(TITLES)}))\.(?=\s+[A-Z])", lambda m: TITLES[m["name"].lower()]),
    rule(r"\b(?P<name>Mr|Mrs|Ms|Prof)\b(?=\s+[A-Z])", lambda m: TITLES[m["name"].lower()]),
    rule(rf"\b(?P<name>{one_of(ENDINGS)})\.(?!\w)", ending, re.I),
    rule(rf"\b(?P<name>{one_of(SHORT)})\.(?!\w)", lambda m: SHORT[m["name"].lower()], re.I),
    rule(rf"\b(?P<name>(?i:{one_of(MONTHS)}))\.?(?=\s+\d)", lambda m: MONTHS[m["name"].lower()]),
    rule(r"\bNo\.\s*(?=\d)", lambda m: "number "),
    rule(PHONE, phone),
    rule(r"(?<=\d)%?\s?-\s?(?=[$£€¥]?\d)", lambda m: " to "),
    rule(r"\b(?P<feet>\d)'\s?(?P<inches>1?\d)(?:\"|'')", lambda m: f"{m['feet']} foot {m['inches']}"),
    rule(r"\b\d+(?:\.\d+){2,}\b", lambda m: " point ".join(m[0].split("."))),
    rule(r"\b911\b", lambda m: "nine one one"),
    rule(rf"(?P<sign>[$£€¥])\s?{NUMERAL}(?:\s?(?P<scale>thousand|million|billion|trillion)\b)?", money),
    rule(r"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?:\s?(?P<half>[ap])\.?m\b\.?)?", clock, re.I),
    rule(r"\b(?P<hour>1[0-2]|[1-9])\.(?P<minute>[0-5]\d)\s?(?P<half>[ap])\.?m\b\.?", clock, re.I),
    rule(r"\b(?P<hour>1[0-2]|[1-9])(?P<minute>)\s?(?P<half>[ap])\.?m\b\.?", clock, re.I),
    rule(rf"{NUMERAL}\s?%", lambda m: f"{spoken_number(m['amount'])} percent"),
    rule(rf"\b{NUMERAL}\s?(?P<unit>{one_of(UNITS)})(?![\w/])(?:\.(?=\s+[a-z]))?", measure, re.I),
    rule(r"'?\b(?P<digits>[12]\d\d0|[2-9]0)'?s\b", decade),
    rule(rf"\b({NUMBER})(?:st|nd|rd|th)\b", lambda m: ordinal(int(m[1].replace(",", ""))), re.I),
    rule(r"\b(?:(?P<whole>\d+)\s)?(?P<over>\d{1,2})/(?P<under>\d{1,2})\b(?!/)", fraction),
    rule(rf"\b(?P<month>{MONTH})\s{DAY}", lambda m: f"{m['month']} {ordinal(int(m['day']))}"),
    rule(r"(?<![\d.,$£€])\b(?:1[1-9]\d\d|20\d\d)\b(?!,?\d|\.\d)", lambda m: year(int(m[0]))),
    rule(rf"(?<![\w.])-(?=(?:{NUMBER})\b)", lambda m: "minus "),
    rule(rf"(?:{NUMBER})(?:\.\d+)?|(?<!\w)\.\d+", lambda m: f" {spoken_number(m[0])} "),
    rule(r"\b(?:[A-Za-z]\.){2,}", initials),
    rule(r"\b(?P<letters>[A-Z]{2,5})(?P<s>s|'s)?\b", capitals),
    rule(r"[&@+=%#°×]", lambda m: f" {SYMBOLS[m[0]]} "),
    rule(r"(?<=\w)/(?=\w)", lambda m: " or "),
)
