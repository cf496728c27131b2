"""Compares a re-driven stretch of a clip with the true one, frame by frame: boxes, landmarks, matte, flicker.

Holds three frames at a time.  Never changes a picture; the landmarks of both sides are read anew by the same net.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.data import F32, U8, Clip, FaceTrack, Motion, Patches, Video
from retac_node.models.landmarker import Landmarker
from retac_node.models.landmarks3d import LIPS
from retac_node.ops import metrics
from retac_node.ops.subjects import box_around
from retac_node.stages.encode import paste

PRESENT = 0.5  # score of the landmark net from which a face is there


@dataclass(frozen=True)
class BoxFigures:
    region: str
    psnr_db: float
    ssim: float
    sharpness_ratio: float  # mean absolute gradient, output over true


@dataclass(frozen=True)
class MatteFigures:
    region: str
    psnr_db: float
    share_of_plate: float  # [0, 1] of the frame's pixels
    plate_kept_outside: bool  # every pixel of every lossless output frame


@dataclass(frozen=True)
class LandmarkFigures:
    region: str
    mouth_distance_px: float
    face_distance_px: float
    lip_aperture_correlation: float
    frames_compared: int


@dataclass(frozen=True)
class Figures:
    frames: int  # written
    frames_expected: int
    faces_found: int  # in output frames
    face: BoxFigures
    mouth: BoxFigures
    matte: MatteFigures
    landmarks: LandmarkFigures
    mouth_flicker_ratio: float  # energy of the second difference over time in the mouth's box, output over true


@dataclass(frozen=True)
class Sight:
    """One judged frame, both sides."""

    true: U8  # (H, W, 3)
    made: U8  # (H, W, 3) as the video shows it
    at_true: F32 | None  # (478, 2) plate pixels; None where no face was found
    at_made: F32 | None


FACE = (
    "square of 1.6 x the box of the true frame's landmarks; holds pixels outside the matte, which are the plate's own"
)
MOUTH = "square of 0.38 of the face square's side around the true frame's lips"
MATTE = "pixels of the plate where the matte is above 0"
LANDMARKS = "478 landmarks of both frames read by the same net; pixels with the face square scaled to 512"


def judge(
    path: Path,
    first: int,
    clip: Clip,
    track: FaceTrack,
    motion: Motion,
    patches: Sequence[Patches],
    video: Video,
) -> Figures:
    """Measures the video of frames [first, T) of the clip against those frames.

    `patches` are the chunks of the composite stage, and `video` holds the frames as PNG too.
    """
    assert motion.source_frame[0] == first, "the judged frames lie over other frames of the clip"
    sums: dict[str, list[float]] = defaultdict(list)
    lips: list[tuple[float, float]] = []  # apertures, true and made
    window: deque[Sight] = deque(maxlen=3)
    found, kept, count = 0, True, 0
    mattes = mattes_of(patches, clip)
    for count, (sight, matte) in enumerate(zip(sights(path, first, clip, track, video), mattes, strict=True), 1):
        window.append(sight)
        found += sight.at_made is not None
        kept &= plate_kept(Path(video.folder) / video.frames / f"{count - 1:06d}.png", sight.true, matte)
        sums["matte psnr"].append(metrics.psnr(sight.made[matte], sight.true[matte]))
        sums["matte share"].append(float(matte.mean()))
        if sight.at_true is not None:
            compare(sight, sight.at_true, sums, lips)
        if len(window) == 3 and window[1].at_true is not None:
            judge_flicker(window, window[1].at_true, sums)
    apertures = np.array(lips).reshape(-1, 2)
    return Figures(
        frames=video.count,
        frames_expected=len(clip.times) - first,
        faces_found=found,
        face=box_figures(FACE, "face", sums),
        mouth=box_figures(MOUTH, "mouth", sums),
        matte=MatteFigures(MATTE, mean(sums["matte psnr"]), mean(sums["matte share"]), kept),
        landmarks=LandmarkFigures(
            region=LANDMARKS,
            mouth_distance_px=mean(sums["mouth distance"]),
            face_distance_px=mean(sums["face distance"]),
            lip_aperture_correlation=metrics.correlation(*apertures.T) if len(apertures) else float("nan"),
            frames_compared=len(apertures),
        ),
        mouth_flicker_ratio=ratio(mean(sums["made flicker"]), mean(sums["true flicker"])),
    )


def sights(path: Path, first: int, clip: Clip, track: FaceTrack, video: Video) -> Iterator[Sight]:
    """Yields each judged frame with its counterpart and the landmarks of both, looked for from the same place."""
    landmarker = Landmarker()
    shown = Path(video.folder) / video.mp4
    times = np.array([start for start, _ in media.picture_times(shown)])
    written = Clip("", video.mp4, clip.fps, times, clip.width, clip.height, np.zeros(0, np.float32), media.AAC_RATE)
    pictures = zip(media.frames(path, clip, first), media.frames(shown, written), strict=True)
    for frame, (true, made) in enumerate(pictures, first):
        at_true, at_made = (read(landmarker, picture, track.landmarks[frame]) for picture in (true, made))
        yield Sight(true, made, at_true, at_made)


def read(landmarker: Landmarker, picture: U8, near: F32) -> F32 | None:
    """Gives the landmarks (478, 2) of the face near those of the solve; None where either saw none."""
    if np.isnan(near).any():
        return None
    face = landmarker.landmarks(picture, box_around(near))
    return face.points[:, :2] if face.score >= PRESENT else None


def mattes_of(patches: Sequence[Patches], clip: Clip) -> Iterator[NDArray[np.bool_]]:
    """Yields for each output frame the pixels of the plate (H, W) that were replaced."""
    for chunk in patches:
        for corner, matte in zip(chunk.corner, chunk.matte[:, 0], strict=True):
            plate = np.zeros((clip.height, clip.width, 3), np.uint8)
            paste(plate, corner, np.full((3, *matte.shape), 255, np.uint8), matte)
            yield plate[..., 0] > 0


def plate_kept(png: Path, true: U8, matte: NDArray[np.bool_]) -> bool:
    """Says whether every pixel of a lossless output frame outside the matte is the plate's, bit for bit."""
    made = cv2.imread(str(png), cv2.IMREAD_COLOR)
    assert made is not None, f"{png} cannot be read"
    return bool((made[~matte][:, ::-1] == true[~matte]).all())  # (n, 3), BGR to RGB


def compare(sight: Sight, at_true: F32, sums: dict[str, list[float]], lips: list[tuple[float, float]]) -> None:
    """Adds one frame's figures of both boxes, and of the landmarks where the output has a face."""
    face = metrics.face_square(at_true)
    mouth = metrics.mouth_square(face, at_true[LIPS])
    for name, square in (("face", face), ("mouth", mouth)):
        made, true = square.cut(sight.made), square.cut(sight.true)
        sums[f"{name} psnr"].append(metrics.psnr(made, true))
        sums[f"{name} ssim"].append(metrics.ssim(made, true))
        sums[f"{name} sharpness"].append(ratio(metrics.sharpness(made), metrics.sharpness(true)))
    if sight.at_made is not None:
        sums["face distance"].append(metrics.landmark_distance(sight.at_made, at_true, face))
        sums["mouth distance"].append(metrics.landmark_distance(sight.at_made[LIPS], at_true[LIPS], face))
        true_lips, made_lips = metrics.lip_aperture(np.stack([at_true, sight.at_made]))
        lips.append((float(true_lips), float(made_lips)))


def judge_flicker(window: Sequence[Sight], at_true: F32, sums: dict[str, list[float]]) -> None:
    """Adds the flicker of three frames in the box of the middle one's mouth."""
    mouth = metrics.mouth_square(metrics.face_square(at_true), at_true[LIPS])
    sums["true flicker"].append(metrics.flicker(*(mouth.cut(sight.true) for sight in window)))
    sums["made flicker"].append(metrics.flicker(*(mouth.cut(sight.made) for sight in window)))


def box_figures(region: str, name: str, sums: dict[str, list[float]]) -> BoxFigures:
    return BoxFigures(region, *(mean(sums[f"{name} {figure}"]) for figure in ("psnr", "ssim", "sharpness")))


def mean(values: Sequence[float]) -> float:
    """Gives the mean of what could be measured, NaN where nothing could."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")


def ratio(made: float, true: float) -> float:
    return made / true if true > 0 else float("nan")
