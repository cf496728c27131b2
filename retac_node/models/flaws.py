"""Says in sentences what makes a recording a worse model of a voice.  Never refuses one: that is clone.py's part."""

from collections.abc import Callable, Iterator

from retac_node.data import F32
from retac_node.models import crowd
from retac_node.ops import noise, sound

OVERLOAD = 0.05  # of the sound stands at its peaks: it was cut off there
VOICED = 0.2  # of the speech has a pitch: whispering has less
BURIED = 6.0  # dB of speech over noise


def flaws(samples: F32, rate: int, name: str) -> Iterator[str]:
    """Gives a sentence for each flaw that is heard in (N,) samples, of which `name` is the recording."""
    for heard, sentence in ROWS:
        if heard(samples, rate):
            yield sentence.format(name=name)


def overloaded(samples: F32, rate: int) -> bool:
    return sound.overload(samples) > OVERLOAD


def unvoiced(samples: F32, rate: int) -> bool:
    return sound.voiced(noise.cleared(samples, rate), rate) < VOICED


def buried(samples: F32, rate: int) -> bool:
    return noise.over_noise(samples, rate) < BURIED


ROWS: tuple[tuple[Callable[[F32, int], bool], str], ...] = (
    (
        overloaded,
        "the sound of {name} is cut off at its peaks, as by a microphone that was too loud, so the voice is less like it "
        "than it could be; give a clean recording of the voice with --voice",
    ),
    (
        unvoiced,
        "hardly a sound in {name} has a pitch, as in whispering, so the pitch of the voice is a "
        "guess; give a recording in a full voice with --voice",
    ),
    (
        buried,
        "the voice in {name} is hardly louder than the noise around it, so it is less like it than it could be; give a "
        "recording of the voice with less noise with --voice",
    ),
    (
        crowd.several,
        "two people seem to speak in {name}, so the voice may be a mixture of both; give a recording of the one with "
        "--voice",
    ),
)
