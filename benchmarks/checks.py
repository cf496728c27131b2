"""What is true of a finished dub: words, picture, plate, faces, lips and sound, each measured on the files themselves.

Holds one frame at a time and eight for the contact sheet.  Never changes a file; never says what is good enough.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from retac_shared.options import EncodeOptions

from retac_node import media
from retac_node.data import F32, U8, Clip, FaceTrack, Motion, Patches, Speech
from retac_node.judge import PRESENT, mattes_of, plate_kept
from retac_node.models import recogniser
from retac_node.models.head import load_head
from retac_node.models.landmarker import Landmarker
from retac_node.models.manner import EARLY, lip_gap
from retac_node.ops import metrics
from retac_node.ops.subjects import box_around
from retac_node.stages.encode import written_frames

CONTACT = ("p", "b", "m")
SHOWN = 8  # frames of the contact sheet
WIDE = 97  # percentile of the clip's own aperture that stands for wide open, and
SHUT = 3  # for shut
RATE = media.AAC_RATE


@dataclass(frozen=True)
class Made:
    """A finished run, read back."""

    source: Path
    video: Path
    frames: Path  # folder of the PNG sequence
    line: str
    clip: Clip
    speech: Speech
    track: FaceTrack
    motion: Motion  # from the sidecar
    patches: tuple[Patches, ...]
    slot: tuple[int, int] | None  # frames


@dataclass(frozen=True)
class Picture:
    width: int
    height: int
    fps: float
    count: int  # frames of the video
    count_expected: int  # what the length of the speech, or the clip around the slot, asks for
    sidecar: int  # frames of the motion sidecar
    sidecar_expected: int
    as_asked: bool  # all of it, and every frame on the clip's grid


@dataclass(frozen=True)
class Contact:
    """How shut the lips are where the sound needs it."""

    label: str
    seconds: float  # when it begins
    excess: float  # smallest aperture within it, above the clip's own 3rd percentile, in eye distances
    share: float  # the same as a share of the clip's own range


@dataclass(frozen=True)
class Sight:
    """What was found in the frames of the video."""

    faces: int  # frames of the video with a face,
    faces_known: int  # and those whose source frame has one in the solve
    plates_kept: int  # lossless frames whose every pixel outside the matte, or outside the slot, is the source's
    matte_share: float  # of the plate, mean over the replaced frames
    aperture: F32  # (U,) of the re-voiced frames, eye distances; NaN where no face was found
    shown: tuple["Shown", ...]


@dataclass(frozen=True)
class Shown:
    """A frame for the contact sheet."""

    frame: int  # output frame
    rgb: U8  # (H, W, 3)
    points: F32 | None  # (478, 2) plate pixels


@dataclass(frozen=True)
class Outside:
    """The sound outside the slot, the result's against the clip's."""

    correlation: float  # NaN where the clip is silent there
    level_db: float


@dataclass(frozen=True)
class Findings:
    heard: str
    word_error_rate: float
    picture: Picture
    sight: Sight
    lip_correlation: float  # asked lip gap against the aperture seen
    contacts: tuple[Contact, ...]
    outside: Outside | None  # of a slot


def examine(made: Made) -> Findings:
    heard = said(made)
    sight = look(made)
    asked = made.motion.expression @ lip_gap(load_head(), made.motion.names)  # (U,)
    seen = np.isfinite(sight.aperture)
    return Findings(
        heard=heard,
        word_error_rate=recogniser.word_error_rate(made.line, heard),
        picture=picture(made),
        sight=sight,
        lip_correlation=metrics.correlation(asked[seen], sight.aperture[seen]) if seen.any() else float("nan"),
        contacts=tuple(contacts(made, sight.aperture)),
        outside=sound_outside(made, made.slot) if made.slot else None,
    )


def said(made: Made) -> str:
    """Writes down what the video says, of a slot only what is said in it."""
    samples, rate = media.read_audio(made.video)
    if made.slot:
        start, stop = (round(frame / made.clip.fps * rate) for frame in made.slot)
        samples = samples[start:stop]
    return recogniser.transcribe(samples, rate)


def picture(made: Made) -> Picture:
    clip, facts = made.clip, media.probe(made.video)
    times = np.array([start for start, _ in media.picture_times(made.video)])
    sidecar = len(made.motion.source_frame)
    expected = round(made.speech.seconds * clip.fps)
    count = len(clip.times) if made.slot else expected
    on_grid = np.abs(times - times[0] - np.arange(len(times)) / float(clip.fps)).max() < 1e-3
    same = (facts.width, facts.height, len(times), sidecar) == (clip.width, clip.height, count, expected)
    fps = facts.rates[0]
    whole = bool(same and on_grid and clip.fps in facts.rates)
    return Picture(facts.width, facts.height, float(fps), len(times), count, sidecar, expected, whole)


def look(made: Made) -> Sight:
    """Goes through source, video and PNG sequence side by side."""
    first, behind = written_frames(EncodeOptions(slot=made.slot), made.clip, made.motion)
    made_frames = len(made.motion.source_frame)
    wanted = np.unique(np.linspace(0, made_frames - 1, SHOWN).round().astype(int))
    landmarker = Landmarker()
    faces = kept = 0
    aperture, shares, shown = np.full(made_frames, np.nan, np.float32), [], []
    sources = media.frames_at(made.source, made.clip, behind)
    for n, (true, seen, matte) in enumerate(zip(sources, video_frames(made), mattes(made, first), strict=True)):
        points = find(landmarker, seen, made.track.landmarks[behind[n]])
        faces += points is not None
        kept += plate_kept(made.frames / f"{n:06d}.png", true, matte)
        if not first <= n < first + made_frames:
            continue
        shares.append(float(matte.mean()))
        if points is not None:
            aperture[n - first] = metrics.lip_aperture(points[None])[0]
        if n - first in wanted:
            shown.append(Shown(n - first, seen, points))
    known = int(np.isfinite(made.track.landmarks[behind]).all((1, 2)).sum())
    return Sight(faces, known, kept, float(np.mean(shares)), aperture, tuple(shown))


def video_frames(made: Made) -> Iterator[U8]:
    """Yields the frames of the video as it shows them."""
    times = np.array([start for start, _ in media.picture_times(made.video)])
    facts = media.probe(made.video)
    shown = Clip("", made.video.name, made.clip.fps, times, facts.width, facts.height, np.zeros(0, np.float32), RATE)
    return media.frames(made.video, shown)


def mattes(made: Made, first: int) -> Iterator[NDArray[np.bool_]]:
    """Yields for each frame of the video what was replaced (H, W): nothing outside the slot."""
    nothing = np.zeros((made.clip.height, made.clip.width), np.bool_)
    yield from repeat(nothing, first)
    yield from mattes_of(made.patches, made.clip)
    if made.slot:
        yield from repeat(nothing, len(made.clip.times) - made.slot[1])


def find(landmarker: Landmarker, rgb: U8, near: F32) -> F32 | None:
    """Gives the landmarks (478, 2) of the face near those of the solve, of the largest face where it had none."""
    boxes = landmarker.detect(rgb)[:1] if np.isnan(near).any() else [box_around(near)]
    for box in boxes:
        face = landmarker.landmarks(rgb, box)
        if face.score >= PRESENT:
            return face.points[:, :2]
    return None


def contacts(made: Made, aperture: F32) -> Iterator[Contact]:
    """Looks for the shut lips of each p, b and m; half a frame about it, and lips lead the sound."""
    fps = float(made.clip.fps)
    own = metrics.lip_aperture(made.track.landmarks)
    shut, wide = np.nanpercentile(own, (SHUT, WIDE))
    times = np.arange(len(aperture)) / fps
    for phoneme in made.speech.phonemes:
        inside = (times > phoneme.start - EARLY - 0.5 / fps) & (times < phoneme.end + 0.5 / fps)
        if phoneme.label in CONTACT and np.isfinite(aperture[inside]).any():
            excess = float(np.nanmin(aperture[inside]) - shut)
            yield Contact(phoneme.label, phoneme.start, excess, excess / max(float(wide - shut), 1e-6))


def sound_outside(made: Made, slot: tuple[int, int]) -> Outside:
    """Compares the decoded sound outside the slot with the clip's own."""
    own, new = (media.read_audio(path, RATE)[0] for path in (made.source, made.video))
    start, stop = (round(frame / made.clip.fps * RATE) for frame in slot)
    length = min(len(own), len(new))
    own, new = (np.concatenate([sound[:start], sound[stop:length]]) for sound in (own, new))
    levels = [10 * np.log10(float(np.mean(sound**2)) + 1e-12) if len(sound) else np.nan for sound in (own, new)]
    return Outside(metrics.correlation(own, new), float(levels[1] - levels[0]))
