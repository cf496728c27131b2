"""What a job may ask for: one frozen Options type per stage, and JobSpec, which holds them.  Validated on creation.

Raises ValueError with one sentence that says what, where and what to do.
"""

from dataclasses import dataclass, field
from typing import Literal, get_args

from retac_shared import languages, marks

EngineName = Literal["kokoro", "sv2tts", "chatterbox"]  # what can speak

MAX_WORDS = 600  # about four minutes of speech
SUPPORTED = (
    "the languages that can be spoken are: English; give the line in English, foreign names as [Nguyen](W IH1 N)"
)


@dataclass(frozen=True)
class IngestOptions:
    sha256: str  # of the clip


@dataclass(frozen=True)
class TrackOptions:
    subject: int | None = None  # 0 is the largest face; None chooses it
    min_confidence: float = 0.5  # of the face detector and the landmark net
    lens: float | None = None  # focal length in mm on a film whose longer side is 36 mm; None: guessed

    def __post_init__(self) -> None:
        check_lens(self.lens)


@dataclass(frozen=True)
class MeshOptions:
    pass


@dataclass(frozen=True)
class VoiceOptions:
    text: str = ""  # what is said; empty when `audio` is given
    audio: str = ""  # sha256 of a recorded line to use as it is
    reference: str = ""  # sha256 of a recording of the voice to clone; empty: the clip's own sound
    engine: EngineName = "kokoro"
    slot_seconds: float | None = None  # fit the line to this length; None: as long as the speech
    seed: int = 0

    def __post_init__(self) -> None:
        check_engine(self.engine)
        if self.text or not self.audio:
            check_text(self.text)


@dataclass(frozen=True)
class AdaptOptions:
    quality: Literal["draft", "final"] = "draft"
    train_minutes: float | None = None  # of the refiner; None: 1 for draft, 8 for final
    learn_seconds: float = 12.0  # how much of the clip's head is learnt from
    seed: int = 0

    def __post_init__(self) -> None:
        if self.train_minutes is not None and not 0 <= self.train_minutes <= 600:
            raise ValueError(f"--train-minutes is {self.train_minutes}; give a number from 0 to 600")

    @property
    def minutes(self) -> float:
        if self.train_minutes is not None:
            return self.train_minutes
        return 1.0 if self.quality == "draft" else 8.0


@dataclass(frozen=True)
class MotionOptions:
    pose: Literal["source", "predicted"] = "source"
    first_frame: int = 0  # source frame behind output frame 0; a slot's start
    slot: bool = False  # the line stands between frames that stay: begin and end as the plate does
    edited: str = ""  # sha256 of an edited Motion that replaces the prediction
    seed: int = 0


@dataclass(frozen=True)
class RenderOptions:
    candidates: int = 3  # how many of the person's own frames are mixed


@dataclass(frozen=True)
class RefineOptions:
    candidates: int = 3  # the render stage's: frames over a chunk's border are drawn again


@dataclass(frozen=True)
class CompositeOptions:
    pass


@dataclass(frozen=True)
class EncodeOptions:
    frames: bool = False  # a PNG sequence as well
    slot: tuple[int, int] | None = None  # replace frames [start, stop) of the clip; None: the line alone
    crf: int = 14  # x264 constant rate factor
    consent: str = ""  # reference of the consent under which the likeness is used; goes into the file's metadata


@dataclass(frozen=True)
class ReportOptions:
    video_name: str = "video.mp4"  # of the finished file, which lies beside the page
    consent: str = ""  # reference of the consent under which the likeness is used
    reference: str = ""  # sha256 of the recording whose voice was cloned; empty: the clip's own sound
    text: str = ""  # the line as it was written; empty: the words that were heard


@dataclass(frozen=True)
class JobSpec:
    ingest: IngestOptions
    track: TrackOptions = field(default_factory=TrackOptions)
    voice: VoiceOptions = field(default_factory=lambda: VoiceOptions(text="hello"))
    adapt: AdaptOptions = field(default_factory=AdaptOptions)
    motion: MotionOptions = field(default_factory=MotionOptions)
    render: RenderOptions = field(default_factory=RenderOptions)
    refine: RefineOptions = field(default_factory=RefineOptions)
    composite: CompositeOptions = field(default_factory=CompositeOptions)
    encode: EncodeOptions = field(default_factory=EncodeOptions)
    report: ReportOptions = field(default_factory=ReportOptions)
    mesh: MeshOptions = field(default_factory=MeshOptions)


def check_engine(name: str) -> None:
    known = get_args(EngineName)
    if name not in known:
        raise ValueError(f"there is no voice engine '{name}'; known are {', '.join(known)}")


def check_lens(lens: float | None) -> None:
    if lens is not None and not 8 <= lens <= 1200:
        raise ValueError(f"--lens is {lens:g} mm; give the focal length on a 36 mm wide film, from 8 to 1200")


def check_text(text: str) -> None:
    """Accepts a line of English; raises ValueError for nothing, too much, another language, or marks that are wrong."""
    marks.parts(text)
    read = marks.plain(text)
    if not any(character.isalnum() for character in read):
        raise ValueError("the text has no words; give the line to be spoken with --text")
    words = len(read.split())
    if words > MAX_WORDS:
        raise ValueError(f"the text has {words} words and a line may have {MAX_WORDS}; split it into several jobs")
    foreign = [character for character in read if character.isalpha() and not is_latin(character)]
    if foreign:
        raise ValueError(f"the text has characters of another script ({''.join(foreign[:8])}); {SUPPORTED}")
    if language := languages.foreign(read):
        raise ValueError(f"the text reads as {language}; {SUPPORTED}")


def is_latin(character: str) -> bool:
    return ord(character) < 0x250 or 0x1E00 <= ord(character) < 0x1F00  # to Latin Extended-B, and Vietnamese
