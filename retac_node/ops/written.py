"""What English writes otherwise than it says it, as a table of patterns and readings, tried in turn.  Pure.

Knows American usage: 3/4 is March 4th in 3/4/2021 and three quarters elsewhere.  Never touches plain words.
"""

import re
from collections.abc import Callable, Iterable

from retac_node.ops.numbers import cardinal, in_pairs, ordinal, roman, spell_digits, spoken_number, year

TITLES = {
    "mr": "Mister", "mrs": "Missus", "ms": "Miz", "prof": "Professor", "rev": "Reverend", "gen": "General",
    "col": "Colonel", "capt": "Captain", "lt": "Lieutenant", "sgt": "Sergeant", "sen": "Senator", "gov": "Governor",
    "hon": "Honorable", "mt": "Mount", "ft": "Fort", "dr": "Doctor",
}  # fmt: skip
ENDINGS = {  # these may also end a sentence
    "jr": "Junior", "sr": "Senior", "etc": "et cetera", "inc": "Incorporated", "ltd": "Limited", "corp": "Corporation",
    "ave": "Avenue", "blvd": "Boulevard", "rd": "Road", "dept": "Department",
}  # fmt: skip
SHORT = {"vs": "versus", "approx": "approximately", "est": "established", "ca": "circa", "attn": "attention"}
COUNTED = {  # before a number
    "No": "number", "Nos": "numbers", "p": "page", "pp": "pages", "vol": "volume", "Vol": "Volume", "fig": "figure",
    "Fig": "Figure", "ch": "chapter", "Ch": "Chapter", "ext": "extension", "tel": "telephone",
}  # fmt: skip
MONTHS = {
    "jan": "January", "feb": "February", "mar": "March", "apr": "April", "jun": "June", "jul": "July",
    "aug": "August", "sept": "September", "sep": "September", "oct": "October", "nov": "November", "dec": "December",
}  # fmt: skip
MONTHS_IN_ORDER = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
PHRASES = {
    "e.g.": "for example,", "i.e.": "that is,", "a.k.a.": "also known as", "ph.d.": "P H D", "phd": "P H D",
    "w/o": "without", "w/": "with", "c/o": "care of", "and/or": "and or", "24/7": "twenty-four seven",
    "9/11": "nine eleven", "50/50": "fifty-fifty", "20/20": "twenty twenty", "wwi": "World War one",
    "wwii": "World War two", "911": "nine one one", "'n'": "and",
}  # fmt: skip
UNITS = {
    "ft": "foot", "km/h": "kilometer per hour", "kph": "kilometer per hour", "m/s": "meter per second",
    "km": "kilometer", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram", "ml": "milliliter", "km2": "square kilometer",
    "m2": "square meter", "m3": "cubic meter", "sq ft": "square foot", "mi": "mile", "yd": "yard", "yds": "yard",
    "mg": "milligram", "lb": "pound", "lbs": "pound", "oz": "ounce", "mph": "mile per hour", "ghz": "gigahertz",
    "mhz": "megahertz", "khz": "kilohertz", "hz": "hertz", "gb": "gigabyte", "mb": "megabyte", "kb": "kilobyte",
    "tb": "terabyte", "ms": "millisecond", "fps": "frame per second", "°c": "degree Celsius", "°f": "degree Fahrenheit",
    "°": "degree", "min": "minute", "mins": "minute", "hrs": "hour", "hr": "hour", "sec": "second", "secs": "second",
    "kwh": "kilowatt hour", "kw": "kilowatt", "db": "decibel",
}  # fmt: skip
LETTER_UNITS = {  # as they are written, capital or not: 5G is no weight
    "m": "meter", "g": "gram", "l": "liter", "L": "liter", "s": "second", "h": "hour", "W": "watt", "V": "volt",
    "MW": "megawatt", "in": "inch",
}  # fmt: skip
MONEY = {"$": ("dollar", "cent"), "£": ("pound", "pence"), "€": ("euro", "cent"), "¥": ("yen", "")}
CURRENCIES = {"USD": "US dollar", "EUR": "euro", "GBP": "pound", "CHF": "Swiss franc", "CAD": "Canadian dollar"}
AMOUNTS = {"k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion", "tn": "trillion"}
SYMBOLS = {
    "&": "and", "@": "at", "+": "plus", "=": "equals", "%": "percent", "#": "number", "°": "degrees", "×": "times",
}  # fmt: skip
EMPHATIC = {  # short words that people write in capitals and mean as words
    "NO", "GO", "NOW", "YES", "NOT", "ALL", "YOU", "ME", "WE", "HE", "SHE", "IT", "IS", "AM", "AND", "THE", "BUT",
    "ONE", "MY", "SO", "DO", "OUT", "OFF", "ON", "IN", "UP", "HER", "HIS", "WHO", "WHY", "HOW", "ARE", "WAS", "CAN",
    "ANY", "A", "I",
}  # fmt: skip
READ = {"ZIP", "PIN", "SIM", "RAM", "ROM", "GIF", "SWAT", "AIDS"}  # acronyms of few letters that are words
SPELLED = {"ISBN", "UCLA", "ESPN", "IEEE", "NCAA", "NAACP", "AARP"}  # of many letters that are not
REIGNS = {  # of kings and popes
    "Henry", "Louis", "Charles", "Elizabeth", "George", "Edward", "Richard", "William", "James", "Paul", "Pius",
    "Benedict", "Philip", "Napoleon", "Catherine", "Alexander", "Ferdinand", "Frederick", "Nicholas", "Ivan", "Leo",
    "Gregory", "Mary", "Ramses", "Otto", "Peter", "Constantine", "Gustav", "Christian", "Francis", "John",
    "Clement", "Innocent", "Urban", "Victoria", "Wilhelm", "Leopold", "Albert", "Harald", "Felipe", "Juan",
    "Haakon",
}  # fmt: skip

NUMBER = r"\d{1,3}(?:,\d{3})+|\d+"
Reading = Callable[[re.Match[str]], str]


def plural(word: str) -> str:
    """Makes the first noun of a unit plural: "kilometer per hour" -> "kilometers per hour"."""
    if word in ("pence", "yen", "hertz") or word.endswith("hertz"):
        return word
    for adjective in ("square ", "cubic ", "US ", "Swiss ", "Canadian ", "kilowatt "):
        if word.startswith(adjective):
            return adjective + plural(word.removeprefix(adjective))
    first, space, rest = word.partition(" ")
    return {"foot": "feet", "inch": "inches"}.get(first, first + "s") + space + rest


def phrase(match: re.Match[str]) -> str:
    spoken = PHRASES[match[0].rstrip(",").lower()]
    return spoken + ("," if match[0].endswith(",") and not spoken.endswith(",") else "")


def money(match: re.Match[str]) -> str:
    unit, part = MONEY[match["sign"]]
    if scale := match["scale"]:
        return f"{spoken_number(match['amount'])} {AMOUNTS.get(scale.lower(), scale)} {plural(unit)}"
    whole, _, cents = match["amount"].replace(",", "").partition(".")
    spoken = f"{cardinal(int(whole))} {unit if int(whole) == 1 else plural(unit)}"
    if not cents.strip("0"):
        return spoken
    if len(cents) != 2 or not part:
        return f"{spoken_number(match['amount'])} {plural(unit)}"
    small = f"{cardinal(int(cents))} {part if int(cents) == 1 else plural(part)}"
    return small if int(whole) == 0 else f"{spoken} and {small}"


def money_range(match: re.Match[str]) -> str:
    """$5-10 -> five to ten dollars; $5-$10 million -> five to ten million dollars."""
    scale = f" {AMOUNTS.get(match['scale'].lower(), match['scale'])}" if match["scale"] else ""
    unit = plural(MONEY[match["sign"]][0])
    return f"{spoken_number(match['low'])} to {spoken_number(match['high'])}{scale} {unit}"


def clock(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = {"a": " A M", "p": " P M", "": ""}[(match["half"] or "").lower()[:1]]
    half += stop_after(match) if match[0].endswith(".") else ""
    if minute == 0:
        return cardinal(hour) + (half or (" hundred hours" if hour > 12 or hour == 0 else " o'clock"))
    return f"{cardinal(hour)} {f'oh {cardinal(minute)}' if minute < 10 else cardinal(minute)}{half}"


def measure(match: re.Match[str]) -> str:
    return spoken_amount(match, LETTER_UNITS.get(match["unit"]) or UNITS[match["unit"].lower()])


def decade(match: re.Match[str]) -> str:
    """1990s -> "nineteen nineties"; '80s -> "eighties"."""
    digits = match["digits"]
    spoken = year(int(digits)) if len(digits) == 4 else cardinal(int(digits))
    return spoken[:-1] + "ies" if spoken.endswith("y") else spoken + "s"


def fraction(match: re.Match[str]) -> str:
    over, under = int(match["over"]), int(match["under"])
    if under < 2 or (over > under and under > 16):
        return f"{cardinal(over)} over {cardinal(under)}"
    name = {2: "half", 4: "quarter"}.get(under) or ordinal(under)
    if over != 1:
        name = "halves" if name == "half" else name + "s"
    whole = f"{cardinal(int(match['whole']))} and " if match["whole"] else ""
    return f"{whole}{'a' if whole and over == 1 else cardinal(over)} {name}"


def date(match: re.Match[str]) -> str:
    """3/4/2021 -> March fourth, twenty twenty-one; 25.12.1999 with the day first, as no month is so late."""
    first, second = int(match["first"]), int(match["second"])
    month, day = (first, second) if first <= 12 else (second, first)
    return dated(match[0], match["year"], month, day)


def dated(written: str, digits: str, month: int, day: int) -> str:
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return written
    spoken = year(int(digits)) if len(digits) == 4 else in_pairs(digits.zfill(2))
    return f"{MONTHS_IN_ORDER[month - 1]} {ordinal(day)}, {spoken}"


def spoken_amount(match: re.Match[str], unit: str) -> str:
    return f"{spoken_number(match['amount'])} {unit if match['amount'] == '1' else plural(unit)}"


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
    pronounceable = len(letters) > 3 and re.search(r"[AEIOU]", letters) and letters not in SPELLED
    return match[0] if letters in EMPHATIC | READ or pronounceable else " ".join(letters) + s


def shouted(match: re.Match[str]) -> str:
    """A run of three words in capitals is a shout where one of them is a common word, and else a row of acronyms."""
    found = re.findall(r"[A-Z']+", match[0])
    listed = match[0].count(",") == len(found) - 1
    loud = not listed and EMPHATIC.intersection(found) and re.search(r"[A-Z]{4}", match[0])
    return match[0].lower() if loud else match[0]


def all_loud(match: re.Match[str]) -> str:
    """In a text without a small letter RUN is a word, as it would not be beside others, and FBI is not."""
    return re.sub(r"\b[B-DF-HJ-NP-TV-Z][AEIOU][B-DF-HJ-NP-TV-Z]\b", lambda word: word[0].lower(), match[0])


def regnal(match: re.Match[str]) -> str:
    """Henry VIII -> Henry the Eighth, Rocky III -> Rocky three; not a sentence's own I."""
    number, name = roman(match["numeral"]), match["name"]
    if not number or (name not in REIGNS and len(match["numeral"]) < 2):
        return match[0]
    if name in REIGNS and (
        match["numeral"] != "I" or re.search(r"\b(?:King|Queen|Pope|Emperor|Tsar)\s+$", before(match))
    ):
        return f"{name} the {ordinal(number)}"
    return match[0] if number < 2 else f"{name} {cardinal(number)}"


def before(match: re.Match[str]) -> str:
    return match.string[: match.start()]


def email_or_site(match: re.Match[str]) -> str:
    spoken = re.sub(r"^(?:https?://)?(?:www\.)?", "", match[0]).partition("?")[0].rstrip("/")
    for mark, name in ((".", " dot "), ("@", " at "), ("/", " slash "), ("-", " dash "), ("_", " underscore ")):
        spoken = spoken.replace(mark, name)
    return spoken


def rule(pattern: str, spoken: Reading, flags: int = 0) -> tuple[re.Pattern[str], Reading]:
    return re.compile(pattern, flags), spoken


def one_of(names: Iterable[str]) -> str:
    return "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))


NUMERAL = rf"(?P<amount>(?:{NUMBER})(?:\.\d+)?)"
SCALE = r"(?P<scale>thousand|million|billion|trillion|(?i:mn|bn|tn|[kmb]))"
DAY = r"(?P<day>[12]?\d|3[01])\b(?![\d:,]\d)"
SITE = r"https?://\S*\w|www\.\S*\w|[\w.-]+@[\w-]+\.\w[\w.]*\w|\w+\.(?:com|org|net|edu|gov|io)\b(?:/\w+)*"
PHONE = r"(?:\+?1[-. ])?\(?\b\d{3}\)?[-. ]\d{3}[-. ]\d{4}\b|\b\d{3}-\d{4}\b"
MONTH = "|".join(MONTHS_IN_ORDER)
PART = "World War|Chapter|Part|Act|Scene|Volume|Book|Phase|Type|Class|Title|Article|Section|Appendix|Super Bowl|Level"
PLACE = "Room|Flight|Route|Highway|Interstate|Apartment|Suite|Bus|Channel|Unit|Gate"

RULES = (
    rule(rf"\b(?:{SITE})", email_or_site),
    rule(r"\A[^a-z]+\Z", all_loud),
    rule(r"\b[A-Z']+(?:[ ,]+[A-Z']+){2,}\b", shouted),
    rule(rf"(?<![\w/])(?:{one_of(PHRASES)})(?=[\s,.!?;:]|$),?", phrase, re.I),
    rule(r"\b(?P<name>St|Dr)\.", saint_or_street),
    rule(rf"\b(?P<name>(?i:{one_of(TITLES)}))\.(?=\s+(?:[A-Z]|and\b))", lambda m: TITLES[m["name"].lower()]),
    rule(r"\b(?P<name>Mr|Mrs|Ms|Prof|Dr|Sgt|Capt)\b(?=\s+[A-Z])", lambda m: TITLES[m["name"].lower()]),
    rule(r"(?<![A-Z]\w )\bSt(?= [A-Z][a-z])", lambda m: "Saint"),
    rule(rf"\b(?P<name>{one_of(ENDINGS)})\.(?!\w)", ending, re.I),
    rule(rf"\b(?P<name>{one_of(SHORT)})\.(?!\w)", lambda m: SHORT[m["name"].lower()], re.I),
    rule(rf"\b(?P<name>(?i:{one_of(MONTHS)}))\.?(?=\s+\d)", lambda m: MONTHS[m["name"].lower()]),
    rule(rf"\b(?P<name>{one_of(COUNTED)})\.\s*(?=\d)", lambda m: f"{COUNTED[m['name']]} "),
    rule(PHONE, phone),
    rule(rf"\b(?P<place>{PLACE}) (?P<digits>\d{{3,4}})\b", lambda m: f"{m['place']} {in_pairs(m['digits'])}", re.I),
    rule(r"\b(?P<zip>ZIP|ZIP code|zip code) (?P<digits>\d{5})\b", lambda m: f"zip code {spell_digits(m['digits'])}"),
    rule(r"\b(?P<first>\d\d?)/(?P<second>\d\d?)/(?P<year>\d{4})\b", date),
    rule(
        r"\b(?P<year>[12]\d{3})-(?P<month>[01]\d)-(?P<day>[0-3]\d)\b",
        lambda m: dated(m[0], m["year"], int(m["month"]), int(m["day"])),
    ),
    rule(rf"\b(?P<part>(?i:{PART})) (?P<roman>[IVX]+)\b", lambda m: f"{m['part']} {cardinal(roman(m['roman']))}"),
    rule(r"\b(?P<name>[A-Z][a-z]+) (?P<numeral>[IVX]+)\b(?!['.]\w)", regnal),
    rule(
        rf"(?P<sign>[$£€¥])(?P<low>(?:{NUMBER})(?:\.\d+)?)\s?-\s?[$£€¥]?(?P<high>(?:{NUMBER})(?:\.\d+)?)"
        rf"(?:\s?{SCALE}\b)?",
        money_range,
    ),
    rule(r"(?<=\d)%?\s?-\s?(?=[$£€¥]?\d)", lambda m: " to "),
    rule(r"\b(?P<feet>\d)'\s?(?P<inches>1?\d)(?:\"|'')", lambda m: f"{m['feet']} foot {m['inches']}"),
    rule(r"\b(?P<feet>\d) ft\.? (?P<inches>1?\d) in\b\.?(?!\s+[a-z])", lambda m: f"{m['feet']} foot {m['inches']}"),
    rule(r"\b\d+(?:\.\d+){2,}\b", lambda m: " point ".join(m[0].split("."))),
    rule(rf"(?:\bUS)?(?P<sign>[$£€¥])\s?{NUMERAL}(?:\s?{SCALE}\b)?", money),
    rule(rf"\b{NUMERAL}\s?(?P<unit>{one_of(CURRENCIES)})\b", lambda m: spoken_amount(m, CURRENCIES[m["unit"]])),
    rule(rf"\b{NUMERAL}\s?¢", lambda m: spoken_amount(m, "cent")),
    rule(r"\b(?P<hour>[01]?\d|2[0-3]):(?P<minute>[0-5]\d)(?:\s?(?P<half>[ap])\.?m\b\.?)?", clock, re.I),
    rule(r"\b(?P<hour>1[0-2]|[1-9])\.(?P<minute>[0-5]\d)\s?(?P<half>[ap])\.?m\b\.?", clock, re.I),
    rule(r"\b(?P<hour>1[0-2]|[1-9])(?P<minute>)\s?(?P<half>[ap])\.?m\b\.?", clock, re.I),
    rule(rf"{NUMERAL}\s?%", lambda m: f"{spoken_number(m['amount'])} percent"),
    rule(r"(?<=\d)\s?[x×]\s?(?=\d)", lambda m: " by "),
    rule(r"(?<=\d)\s?\*\s?(?=\d)", lambda m: " times "),
    rule(r"(?<=\d) / (?=\d)", lambda m: " divided by "),
    rule(r"(?<=\d)\^(?=\d)", lambda m: " to the power of "),
    rule(r"\b(?P<digits>\d{3,4})p\b", lambda m: f"{in_pairs(m['digits'])} P"),
    rule(rf"\b{NUMERAL}\s?(?P<unit>{one_of(UNITS)})(?![\w/])(?:\.(?=\s+[a-z]))?", measure, re.I),
    rule(rf"\b{NUMERAL}\s?(?P<unit>[mglLWV]|MW)(?![\w/'])", measure),
    rule(rf"\b{NUMERAL} (?P<unit>[sh]|in(?=\.\s+[a-z]|\.?$))(?![\w/'])\.?", measure),
    rule(r"'?\b(?P<digits>[12]\d\d0|[2-9]0)'?s\b", decade),
    rule(
        rf"(?<!\d )(?<!\d)\b(?:the )?(?P<day>[12]?\d|3[01])(?:st|nd|rd|th)?(?: of)? (?P<month>{MONTH})\b"
        rf"(?:,? (?P<year>[12]\d{{3}})\b)?",
        lambda m: f"the {ordinal(int(m['day']))} of {m['month']}" + (f", {year(int(m['year']))}" if m["year"] else ""),
    ),
    rule(rf"\b({NUMBER})(?:st|nd|rd|th)\b", lambda m: ordinal(int(m[1].replace(",", ""))), re.I),
    rule(r"\b(?:(?P<whole>\d+)\s)?(?P<over>\d{1,2})/(?P<under>\d{1,2})\b(?!/)", fraction),
    rule(rf"\b(?P<month>{MONTH})\s{DAY}", lambda m: f"{m['month']} {ordinal(int(m['day']))}"),
    rule(
        r"\b(?P<in>in|since|of|from|until|by|year) (?P<year>10\d\d)\b",
        lambda m: f"{m['in']} {in_pairs(m['year'])}",
        re.I,
    ),
    rule(r"(?<![\d.,$£€])\b(?:1[1-9]\d\d|20\d\d)\b(?!,?\d|\.\d)", lambda m: year(int(m[0]))),
    rule(rf"(?<![\w.])-(?=(?:{NUMBER})\b)", lambda m: "minus "),
    rule(rf"(?:{NUMBER})(?:\.\d+)?|(?<!\w)\.\d+", lambda m: f" {spoken_number(m[0])} "),
    rule(r"\b(?:[A-Za-z]\.){2,}", initials),
    rule(r"\bA/C\b", lambda m: "A C"),
    rule(r"\b(?P<letters>[A-Z]{2,5})(?P<s>s|'s)?\b", capitals),
    rule(r"[&@+=%#°×]", lambda m: f" {SYMBOLS[m[0]]} "),
    rule(r"(?<=\w)/(?=\w)", lambda m: " or "),
)
