"""Speaks a line in the length it has in the clip: by its pace, then by a little stretching.  Never chooses a voice.

A talker says how long a line will be for a fraction of the work of speaking it, so the pace is found first and the line
is spoken once.
"""

from collections.abc import Callable, Iterable, Iterator
from math import ceil
from typing import Protocol, TypeVar

from retac_node.data import Speech, Timed
from retac_node.errors import BadInput
from retac_node.models import kokoro_letters
from retac_node.ops import stretch

PACES = (0.8, 1.25)  # slower and faster than the voice's own that still sound like talking
HALVINGS = 6  # of the range of paces
UNSURE = (1.1, 0.1)  # how far a length may be from what was planned: a factor, and seconds more
CLOSE = 0.040  # seconds, a frame: a line that ends this early fills its slot
LAST = 0.040  # seconds after the last sound that are kept at least

Item = TypeVar("Item")


class Telling(Protocol):
    """Who hears how far it is and what is odd; the engine's Context is one."""

    @property
    def warn(self) -> Callable[[str], None]: ...

    def track(self, items: Iterable[Item], total: int | None = None, label: str = "") -> Iterator[Item]: ...


class Talker(Protocol):
    """An engine with a voice."""

    def planned(self, line: str, pace: float) -> float:
        """Says how long a slot the line will need, seconds."""

    def says(self, line: str, pace: float, telling: Telling) -> Speech:
        """Speaks the line."""


def speak_within(talker: Talker, line: str, seconds: float | None, telling: Telling) -> Speech:
    """Speaks the line; where there is a slot, so that it fills it, within PACES.

    A line too short for its slot is spoken slowly and leaves the rest of it quiet.  Raises BadInput for one too long.
    """
    if seconds is None:
        return talker.says(line, 1.0, telling)
    own = own_length(talker, line, seconds, telling)
    if own > PACES[1] * seconds:
        raise BadInput(too_long(line, own / PACES[1], seconds))
    wanted = min(seconds, own / PACES[0])
    if wanted < seconds - CLOSE:
        telling.warn(too_short(line, wanted, seconds))
    spoken = talker.says(line, pace_for(talker, line, wanted), telling)
    return spoken if wanted - CLOSE <= needed(spoken) <= wanted else lasting(spoken, wanted)


def own_length(talker: Talker, line: str, seconds: float, telling: Telling) -> float:
    """Says how long a slot the line needs at its own pace; measured where that decides whether it fits, else planned."""
    own = talker.planned(line, 1.0)
    factor, more = UNSURE
    for pace in PACES:
        if pace * seconds / factor - more < own < pace * seconds * factor + more:
            return needed(talker.says(line, 1.0, telling))
    return own


def pace_for(talker: Talker, line: str, seconds: float) -> float:
    """Gives the slowest pace at which the line is not longer than its slot, or the fastest that there is."""
    slow, fast = PACES
    if talker.planned(line, slow) <= seconds:
        return slow
    for _ in range(HALVINGS):
        middle = (slow * fast) ** 0.5
        slow, fast = (slow, middle) if talker.planned(line, middle) <= seconds else (middle, fast)
    return fast


def too_long(line: str, needed: float, seconds: float) -> str:
    words = count_words(line)
    fit = int(words * seconds / needed)
    advice = f"or shorten the text from {words} words to about {fit}" if fit else "or shorten the text"
    return (
        f"the line needs {ceil(10 * needed) / 10:.1f} s at the fastest pace and its place in the clip has "
        f"{seconds:.1f} s; move --end {ceil(10 * (needed - seconds)) / 10:.1f} s later {advice}"
    )


def too_short(line: str, length: float, seconds: float) -> str:
    words = count_words(line)
    return (
        f"the line lasts {length:.1f} s at the slowest pace and its place in the clip {seconds:.1f} s, so its last "
        f"{seconds - length:.1f} s are quiet; about {round(words * seconds / length)} words instead of {words} fill it"
    )


def count_words(line: str) -> int:
    return len(kokoro_letters.spell(line))


def needed(spoken: Speech) -> float:
    """Gives how long a slot the line needs, seconds: the quiet tail may be cut."""
    return spoken.phonemes[-1].end + LAST


def lasting(spoken: Speech, seconds: float) -> Speech:
    """Stretches the sound and its times so that the line needs a slot of this length."""
    factor = (seconds - LAST) / spoken.phonemes[-1].end

    def moved(items: tuple[Timed, ...]) -> tuple[Timed, ...]:
        return tuple(Timed(item.label, item.start * factor, item.end * factor) for item in items)

    return Speech.of(
        stretch.stretched(spoken.samples, spoken.rate, factor), spoken.rate, moved(spoken.words), moved(spoken.phonemes)
    )
