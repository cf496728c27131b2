"""What a client asks a node for: a dub, or a part of one.  Files go by sha256, times are seconds of the clip.

The node turns it into a JobSpec once it knows the clip.  Raises ValueError with one sentence.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from retac_shared.options import EngineName, check_engine, check_lens, check_text

Goal = Literal["solve", "line", "dub"]  # the head; the voice and the curves as well; the finished shot

SHA256 = re.compile(r"[0-9a-f]{64}")
NAME = re.compile(r"[\w][\w .()+-]{0,119}")  # of a file, without its folder
MAX_CONSENT = 400  # characters


@dataclass(frozen=True)
class Order:
    clip: str  # sha256
    goal: Goal = "dub"
    text: str = ""  # the line; may be empty where `audio` is given, or where only the head is asked for
    audio: str = ""  # sha256 of a recorded line to use as it is
    voice: str = ""  # sha256 of a recording of the voice to clone; empty: the clip's own sound
    motion: str = ""  # sha256 of edited curves (.motion.npz) that replace the prediction
    start: float | None = None  # seconds; of the range that is replaced
    end: float | None = None
    pose: Literal["source", "predicted"] = "source"
    quality: Literal["draft", "final"] = "draft"
    train_minutes: float | None = None
    subject: int | None = None
    lens: float | None = None  # mm on a film whose longer side is 36 mm
    frames: bool = False  # a PNG sequence as well
    consent: str = ""  # reference of the consent under which the likeness is used
    seed: int = 0
    engine: EngineName = "kokoro"  # what speaks the line
    name: str = "dub.mp4"  # of the finished file; shown, and never used as a path

    def __post_init__(self) -> None:
        for what in ("clip", "audio", "voice", "motion"):
            value = getattr(self, what)
            if (value or what == "clip") and not SHA256.fullmatch(value):
                raise ValueError(f"{what} is not a sha256 in lower-case hexadecimal; give the digest of the file")
        if not NAME.fullmatch(self.name):
            raise ValueError("the name of the finished file has characters that names do not have; choose a plain one")
        if len(self.consent) > MAX_CONSENT:
            raise ValueError(f"the consent reference has over {MAX_CONSENT} characters; give a shorter one")
        if self.goal != "solve" and (self.text or not self.audio):
            check_text(self.text)
        if self.audio and self.voice:
            raise ValueError("a recorded line is used as it is, so a voice to clone has nothing to do; leave one out")
        check_range(self.start, self.end)
        check_lens(self.lens)
        check_engine(self.engine)

    def files(self) -> Iterator[str]:
        """Gives the sha256 of each file that the node must have."""
        yield from (value for value in (self.clip, self.audio, self.voice, self.motion) if value)


def check_range(start: float | None, end: float | None) -> None:
    if (start is None) != (end is None):
        raise ValueError("a range needs both ends; give its start and its end, in seconds")
    if start is not None and end is not None and not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        raise ValueError(f"the range from {start:g} s to {end:g} s is empty or not in the clip; give start before end")
