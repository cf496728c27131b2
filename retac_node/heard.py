"""What a clip's own sound says, and when: for marks on a timeline.  Nothing that is made depends on it.

The words are a recogniser's, which may mishear, and in noise hears what nobody said; so they count only where an aligner
finds them again in the sound.  The times are the aligner's.
"""

from importlib.util import find_spec
from pathlib import Path

from retac_node import assets, speak
from retac_node.data import F32, Clip, Speech, Timed
from retac_node.errors import BadInput

MODEL = "whisper_tiny_en"


def possible(clip: Clip) -> bool:
    """Says whether there is sound, and a recogniser here: both are optional."""
    return len(clip.audio) > 0 and find_spec("faster_whisper") is not None and assets.available(MODEL)


def listen(samples: F32, rate: int) -> tuple[tuple[Timed, ...], tuple[Timed, ...]]:
    """Gives words and phonemes (IPA), seconds; nothing where nothing is surely said."""
    from retac_node.models import aligner, recogniser  # draw with libraries that take seconds to import

    text = recogniser.transcribe(samples, rate)
    try:
        return aligner.align(samples, rate, text) if text else ((), ())
    except BadInput:
        return (), ()


def write(path: Path, clip: Clip) -> None:
    """Writes words.json, in the form of timing.json."""
    speak.write_timing(path, Speech.of(clip.audio, clip.audio_rate, *listen(clip.audio, clip.audio_rate)))
