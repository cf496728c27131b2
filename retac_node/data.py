"""The values that travel between stages, with shapes, units and frames of reference.

Alphabet: T source frames, U output frames, V vertices, F triangles, S identity, E expression, A albedo
coefficients; H, W the plate; h, w the crop; n frames of a chunk.

Everywhere inside: RGB; u8 or [0, 1]; metres; radians; seconds; pixels of the upright plate.
Camera space is x right, y down, z away from the camera. Head space has the same axes when the head faces the camera
upright (rotation zero): the nose points to -z, the crown to -y. Rotations are axis-angle, head -> camera.
A head point X lands on the plate at  focal * (R X + t)[:2] / (R X + t)[2] + (W / 2, H / 2).
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from retac_shared.motion import FaceMesh, Motion

__all__ = [
    "Adapted",
    "Clip",
    "FaceMesh",
    "FaceTrack",
    "Frames",
    "Likeness",
    "Motion",
    "Patches",
    "Report",
    "Speaker",
    "Speech",
    "Timed",
    "Video",
]

if TYPE_CHECKING:  # the checker is told less, because OpenCV's stubs return unions of all dtypes
    F32 = NDArray[Any]
    U8 = NDArray[Any]
else:
    F32 = NDArray[np.float32]
    U8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """A source clip on its constant-rate grid: grid frame k is shown at k / fps.  Pixels are read on demand."""

    sha256: str  # of the file; `ctx.source(sha256)` is where it lies today
    name: str  # the file's name, for messages only
    fps: Fraction
    times: NDArray[np.float64]  # (T,) presentation time in the file of the picture shown at each grid frame, seconds
    width: int  # W, upright (after rotation metadata), square pixels
    height: int  # H
    audio: F32  # (N,) mono [-1, 1], starting at grid frame 0; empty when the clip has no sound
    audio_rate: int  # Hz


@dataclass(frozen=True)
class FaceTrack:
    """One subject's head through the clip: one identity, albedo and focal length, the rest per frame."""

    identity: F32  # (S,) in standard deviations of the model
    albedo: F32  # (A,)
    expression: F32  # (T, E) activations, the 52 named units in [0, 1]
    rotation: F32  # (T, 3) axis-angle, head -> camera
    translation: F32  # (T, 3) metres, camera
    light: F32  # (T, 9, 3) second-order spherical harmonics of irradiance, RGB, in camera space
    focal: float  # pixels
    crop_from_frame: F32  # (T, 2, 3) plate pixels -> crop pixels
    crop_size: int  # h = w, pixels, a multiple of 16
    landmarks: F32  # (T, 478, 3) plate pixels (x, y) and depth in the same scale; NaN where no face was seen
    confidence: F32  # (T,) [0, 1]; 0 where the frame was bridged
    width: int  # W
    height: int  # H

    def coefficients(self, native: F32 | None = None) -> F32:
        """Gives the (T, 257) vector of the literature: 80 identity, 64 expression, 80 albedo, 27 light, 6 pose.

        `native` (E, 64), of a head whose own expression coefficients are others than our units, brings them to its own.
        """
        expression = self.expression if native is None else self.expression @ native
        frames = len(self.expression)
        once = [np.broadcast_to(row, (frames, len(row))) for row in (self.identity, self.albedo)]
        parts = [once[0], expression, once[1], self.light.reshape(frames, 27), self.rotation, self.translation]
        return np.concatenate(parts, axis=1).astype(np.float32)  # (T, S + E + A + 27 + 6)


@dataclass(frozen=True)
class Timed:
    """A word or a phoneme and when it is spoken."""

    label: str
    start: float  # seconds
    end: float


@dataclass(frozen=True)
class Likeness:
    """The person's head at rest, to be shown and edited."""

    mesh: FaceMesh
    texture: U8  # (h, w, 3) albedo, RGB as stored, laid out by the head's uv


@dataclass(frozen=True)
class Speaker:
    """What was learnt of a voice from a recording of it."""

    name: str  # of the recording
    samples: F32  # (N,) mono [-1, 1], what was listened to
    rate: int  # Hz
    embedding: F32  # (256,) of unit length
    pitch: float  # Hz, median
    level: float  # dB, gated
    spectrum: F32  # (bands,) dB, see ops/sound.py


@dataclass(frozen=True)
class Speech:
    samples: F32  # (N,) mono [-1, 1]
    rate: int  # Hz
    words: tuple[Timed, ...]
    phonemes: tuple[Timed, ...]  # IPA symbols; empty where they are not known
    seconds: float  # length of the line on the timeline: the slot's, or the samples'
    similarity: float  # cosine of speaker embeddings, this speech against the reference; NaN when not measured
    synthetic: bool = True  # an engine made it, so it carries the mark; False: a recording

    @classmethod
    def of(
        cls,
        samples: F32,
        rate: int,
        words: tuple[Timed, ...],
        phonemes: tuple[Timed, ...],
        similarity: float = float("nan"),
    ) -> "Speech":
        """Gives a line that is as long as its samples."""
        return cls(samples, rate, words, phonemes, len(samples) / rate, similarity)


@dataclass(frozen=True)
class Frames:
    """A run of crops: the crop windows are those of `FaceTrack.crop_from_frame` at `Motion.source_frame`."""

    start: int  # output frame of the first
    rgb: U8  # (n, 3, h, w)
    mask: U8  # (n, 1, h, w) 255 where the new pixels rule
    spoken: U8  # (n, 1, h, w) 255 where speech rules the picture: the mouth and what moves with it


@dataclass(frozen=True)
class Patches:
    """Finished plate pixels: paste `rgb` where `matte` > 0; elsewhere the plate stays bit for bit."""

    start: int  # output frame of the first
    corner: NDArray[np.int32]  # (n, 2) x, y of the patch's upper left pixel on the plate
    rgb: U8  # (n, 3, h, w)
    matte: U8  # (n, 1, h, w)


@dataclass(frozen=True)
class Adapted:
    """What was learnt about this person, as files in the task's folder."""

    files: dict[str, str]  # file name -> sha256
    folder: str  # the task's folder in the cache
    notes: dict[str, float]  # what the training reached, by name (dB, seconds, steps)


@dataclass(frozen=True)
class Video:
    """The finished files in the task's folder."""

    folder: str
    mp4: str  # file name
    frames: str  # folder name of the PNG sequence, "" when not asked for
    mattes: str  # folder name of its mattes: grey, 255 where the plate was replaced
    count: int  # frames


@dataclass(frozen=True)
class Report:
    """The page about the job, in the task's folder."""

    folder: str
    html: str  # file name
    figures: dict[str, float] = field(default_factory=dict)  # what was measured, by name; NaN where it could not be
    picture: str = ""  # file name of a small JPEG of the result; "" where there is none
