"""Faces over time: follows every face of a clip and links it into subjects.  Never chooses one, never smooths.

Plate pixels are continuous: the first pixel covers [0, 1) and its centre is 0.5.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

RIGHT_EYE, LEFT_EYE = 33, 263  # landmarks: outer corners, the subject's right and left
SAME_FACE = 0.3  # intersection over union from which two boxes are one face
LOOK_AGAIN = 10  # frames between two searches for faces that have come in
NEAR = 1.0  # face widths: so close a face belongs to the subject seen there, however long ago
CUT_GAP = 50  # frames: a subject lost no longer than this is taken up again anywhere, as after a hard cut


@dataclass(frozen=True)
class Box:
    """A face's rectangle, turned with the head: its own x axis runs from the subject's right eye to the left one."""

    x: float  # centre, plate pixels
    y: float
    width: float  # plate pixels, along its own axes
    height: float
    roll: float  # radians, clockwise on the screen
    score: float  # [0, 1]


@dataclass(frozen=True)
class Face:
    points: F32  # (478, 3) x, y in plate pixels; z in the same scale, smaller is nearer, 0 at the head's centre
    blendshapes: F32  # (52,) [0, 1], named by landmarker.BLENDSHAPES
    score: float  # [0, 1] that a face is there
    box: Box  # around the points; where to look in the next frame


@dataclass(frozen=True)
class Subject:
    """One person through the clip; the frames between are those where the face was not seen."""

    frames: NDArray[np.int32]  # (n,) increasing
    faces: tuple[Face, ...]  # n


class Finder(Protocol):
    """What finds faces in one picture; `models.landmarker.Landmarker` does."""

    def detect(self, rgb: U8) -> list[Box]: ...
    def landmarks(self, rgb: U8, box: Box) -> Face: ...


def track_faces(landmarker: Finder, frames: Iterable[U8], min_confidence: float) -> list[list[Face]]:
    """Finds the faces of each (H, W, 3) frame that score at least `min_confidence`, holding one frame at a time.

    A face is looked for where it was in the frame before; the whole frame is searched every LOOK_AGAIN frames, when
    a face is lost and while there is none.
    """
    clip: list[list[Face]] = []
    faces: list[Face] = []
    for number, rgb in enumerate(frames):
        sought = len(faces)
        faces = _believed([landmarker.landmarks(rgb, face.box) for face in faces], min_confidence)
        if number % LOOK_AGAIN == 0 or len(faces) < max(sought, 1):
            new = [box for box in landmarker.detect(rgb) if not any(_same(box, face.box) for face in faces)]
            faces = _believed(faces + [landmarker.landmarks(rgb, box) for box in new], min_confidence)
        clip.append(faces)
    return clip


def link(faces_per_frame: Sequence[Sequence[Face]]) -> list[Subject]:
    """Links each frame's faces into subjects, largest first (median box area times the part of the clip present).

    The nearest pairs of subject and face are joined first; a face near no subject takes up the nearest one lost less
    than CUT_GAP frames ago, and otherwise begins a new one.  No faces give no subjects.
    """
    tracks: list[list[tuple[int, Face]]] = []
    for number, faces in enumerate(faces_per_frame):
        waiting = list(range(len(faces)))
        for track, index in _pairs(tracks, faces, number):
            tracks[track].append((number, faces[index]))
            waiting.remove(index)
        tracks += [[(number, faces[index])] for index in waiting]
    subjects = [_subject(track) for track in tracks]
    return sorted(subjects, key=_size, reverse=True)  # a stable sort: equals stay in order of appearance


def box_around(points: F32, score: float = 1.0) -> Box:
    """Gives the rectangle of (478, 3) landmarks, turned with the line through the eyes."""
    across = points[LEFT_EYE, :2] - points[RIGHT_EYE, :2]
    roll = float(np.arctan2(across[1], across[0]))
    turn = rotation(roll)
    upright = points[:, :2] @ turn  # (478, 2) along the box's own axes
    low, high = upright.min(0), upright.max(0)
    x, y = turn @ ((low + high) / 2)
    width, height = high - low
    return Box(float(x), float(y), float(width), float(height), roll, score)


def overlap(a: Box, b: Box) -> float:
    """Gives the intersection over union of two boxes as if neither were turned."""
    across = min(a.x + a.width / 2, b.x + b.width / 2) - max(a.x - a.width / 2, b.x - b.width / 2)
    down = min(a.y + a.height / 2, b.y + b.height / 2) - max(a.y - a.height / 2, b.y - b.height / 2)
    shared = max(across, 0.0) * max(down, 0.0)
    return shared / max(a.width * a.height + b.width * b.height - shared, 1e-9)


def rotation(angle: float) -> NDArray[np.float64]:
    """Gives the (2, 2) matrix that turns clockwise on the screen by an angle in radians."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _believed(faces: list[Face], min_confidence: float) -> list[Face]:
    """Drops faces of low score and those that have run onto an earlier one."""
    kept: list[Face] = []
    for face in faces:
        if face.score >= min_confidence and not any(_same(face.box, other.box) for other in kept):
            kept.append(face)
    return kept


def _pairs(tracks: list[list[tuple[int, Face]]], faces: Sequence[Face], number: int) -> list[tuple[int, int]]:
    """Pairs tracks with a frame's faces, nearest first, each used once; far pairs only across a short gap."""
    distances = []
    for track, seen in enumerate(tracks):
        last, face = seen[-1]
        for index, candidate in enumerate(faces):
            apart = _distance(face.box, candidate.box)
            if apart < NEAR or number - last <= CUT_GAP:
                distances.append((apart, track, index))
    pairs: dict[int, int] = {}  # track -> face
    for _, track, index in sorted(distances):
        if track not in pairs and index not in pairs.values():
            pairs[track] = index
    return list(pairs.items())


def _distance(a: Box, b: Box) -> float:
    """Gives how far one box is from another in face widths; a face twice the size is one face width away."""
    width = (a.width + b.width) / 2
    return float(np.hypot(a.x - b.x, a.y - b.y) / width + abs(np.log2(a.width / b.width)))


def _same(a: Box, b: Box) -> bool:
    return overlap(a, b) > SAME_FACE


def _subject(track: list[tuple[int, Face]]) -> Subject:
    return Subject(np.array([number for number, _ in track], np.int32), tuple(face for _, face in track))


def _size(subject: Subject) -> float:
    return float(np.median([face.box.width * face.box.height for face in subject.faces])) * len(subject.frames)
