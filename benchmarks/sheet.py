"""Contact sheets: a column a frame, the face above and the mouth three times as large below.  Never judges them."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from checks import Shown

from retac_node import media
from retac_node.data import U8, Timed
from retac_node.models.landmarks3d import LIPS
from retac_node.ops import metrics, phonemes

SIDE = 240  # pixels of a cell
LARGER = 3  # the mouth against the face


def write_sheet(target: Path, shown: Sequence[Shown], spoken: Sequence[Timed], fps: float) -> None:
    """Writes a PNG; each frame says its number and what is being spoken."""
    now = phonemes.labels_at(spoken, np.array([item.frame for item in shown]) / fps)
    columns = [column(item, phonemes.PHONEMES[label]) for item, label in zip(shown, now, strict=True)]
    media.write_png(target, np.concatenate(columns, axis=1))


def column(item: Shown, phoneme: str) -> U8:
    if item.points is None:
        face = mouth = np.zeros((SIDE, SIDE, 3), np.uint8)
    else:
        square = metrics.face_square(item.points)
        lips = item.points[LIPS]
        centre = (lips.min(0) + lips.max(0)) / 2
        face, mouth = cell(item.rgb, square), cell(item.rgb, metrics.square_around(centre, square.side / LARGER))
    label = "" if phoneme == phonemes.SILENCE else phonemes.to_arpabet(phoneme)
    for ink, thickness in ((0, 3), (255, 1)):
        place, colour = (5, 18), (ink, ink, ink)
        cv2.putText(face, f"{item.frame} {label}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, colour, thickness)
    return np.concatenate([face, mouth])


def cell(rgb: U8, square: metrics.Square) -> U8:
    """Scales what lies in the square to a cell (SIDE, SIDE, 3); black beyond the plate."""
    move = np.array([[1.0, 0, -square.left], [0, 1, -square.top]]) * (SIDE / square.side)
    move[:, 2] += (SIDE / square.side - 1) / 2  # OpenCV counts from pixel centres
    flags = cv2.INTER_AREA if square.side > SIDE else cv2.INTER_CUBIC
    return np.asarray(cv2.warpAffine(rgb, move, (SIDE, SIDE), flags=flags), np.uint8)
