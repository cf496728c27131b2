"""Measures of a remade video against the true one.  Pure: arrays in, numbers out; never finds a face or opens a file.

The boxes are those of the published comparisons this project quotes: the face is a square of 1.6 x the landmarks' box,
the mouth a square of 0.38 of that side around the lips, and landmark distances are in pixels of a face square scaled to
512.  Pictures are RGB, [0, 255].  What cannot be measured is NaN.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32
from retac_node.ops.geometry import rotation_matrix

FACE_PER_LANDMARKS = 1.6
MOUTH_PER_FACE = 0.38
FACE_SIDE = 512  # pixels to which the face square is scaled before landmark distances are read
IDENTICAL = 100.0  # dB given to equal pictures, whose ratio is infinite
UPPER_LIP, LOWER_LIP = 13, 14  # landmarks in the middle of the inner lips
RIGHT_EYE, LEFT_EYE = 33, 263  # outer corners of the eyes
POSE_BIN = 2.0  # degrees

Array = NDArray[Any]


@dataclass(frozen=True)
class Square:
    left: int  # plate pixels
    top: int
    side: int

    def cut(self, picture: Array) -> Array:
        """Gives the part of (H, W, ...) inside the square; less than the whole square where it leaves the plate."""
        top, left = max(0, self.top), max(0, self.left)
        return picture[top : max(0, self.top + self.side), left : max(0, self.left + self.side)]


def face_square(points: F32) -> Square:
    """Lays the face square around landmarks (L, 2), plate pixels."""
    low, high = points.min(0), points.max(0)
    return square_around((low + high) / 2, FACE_PER_LANDMARKS * float((high - low).max()))


def mouth_square(face: Square, lips: F32) -> Square:
    """Lays the mouth square around lip landmarks (n, 2), plate pixels."""
    return square_around((lips.min(0) + lips.max(0)) / 2, MOUTH_PER_FACE * face.side)


def square_around(centre: Array, side: float) -> Square:
    return Square(round(float(centre[0]) - side / 2), round(float(centre[1]) - side / 2), max(1, round(side)))


def psnr(made: Array, true: Array) -> float:
    """Gives the peak signal-to-noise ratio in dB over all values of two arrays of one shape, at most 100."""
    if made.size == 0:
        return float("nan")
    error = float(np.mean((made.astype(np.float32) - true.astype(np.float32)) ** 2))
    return min(IDENTICAL, 10 * float(np.log10(255**2 / max(error, 1e-12))))


def ssim(made: Array, true: Array) -> float:
    """Gives the structural similarity of (h, w, 3) pictures, averaged over pixels and colours."""
    return float(ssim_map(made, true).mean()) if min(made.shape[:2]) > 1 else float("nan")


def ssim_map(made: Array, true: Array) -> Array:
    """Gives it at each pixel and colour (Wang et al. 2004: Gaussian window of 1.5 pixels), mirrored at the edges."""
    x, y = made.astype(np.float32), true.astype(np.float32)
    mean_x, mean_y = blurred(x), blurred(y)
    var_x, var_y = blurred(x * x) - mean_x**2, blurred(y * y) - mean_y**2
    shared = blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * shared + c2)
    return np.asarray(likeness / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))


def blurred(picture: Array) -> Array:
    return cv2.GaussianBlur(picture, (11, 11), 1.5, borderType=cv2.BORDER_REFLECT)


def sharpness(picture: Array) -> float:
    """Gives the mean absolute gradient of (h, w, 3): differences of neighbours across and down, summed."""
    if min(picture.shape[:2]) < 2:
        return float("nan")
    signed = picture.astype(np.float32)
    return float(np.abs(np.diff(signed, axis=0)).mean() + np.abs(np.diff(signed, axis=1)).mean())


def flicker(before: Array, now: Array, after: Array) -> float:
    """Gives the mean square of the second difference over time of three pictures cut by the same square."""
    if now.size == 0:
        return float("nan")
    before, now, after = (picture.astype(np.float32) for picture in (before, now, after))
    return float(np.mean((before - 2 * now + after) ** 2))


def landmark_distance(made: F32, true: F32, face: Square) -> float:
    """Gives the mean distance between landmarks (n, 2), in pixels of the face square scaled to 512."""
    return float(np.linalg.norm(made - true, axis=1).mean()) * FACE_SIDE / face.side


def lip_aperture(points: F32) -> F32:
    """Gives (T,) how far the inner lips are apart, in distances of the outer eye corners, from (T, 478, 2 or 3)."""
    xy = points[..., :2]
    apart = np.linalg.norm(xy[:, UPPER_LIP] - xy[:, LOWER_LIP], axis=1)
    return (apart / np.linalg.norm(xy[:, RIGHT_EYE] - xy[:, LEFT_EYE], axis=1)).astype(np.float32)


def correlation(a: Array, b: Array) -> float:
    """Gives Pearson's correlation of two curves (T,); NaN where one of them does not move."""
    x, y = a - np.mean(a), b - np.mean(b)
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 1e-12 else float("nan")


def pose_degrees(rotation: F32) -> F32:
    """Turns head rotations (T, 3), axis-angle, into (T, 3) pitch, yaw and roll in degrees: R = Ry Rx Rz.

    Camera axes are x right, y down, z away: pitch > 0 looks down, yaw > 0 turns the nose to the picture's left,
    roll > 0 tilts the head clockwise on the screen.
    """
    turn = rotation_matrix(rotation.astype(np.float64))  # (T, 3, 3)
    pitch = np.arcsin(np.clip(-turn[:, 1, 2], -1, 1))
    yaw = np.arctan2(turn[:, 0, 2], turn[:, 2, 2])
    roll = np.arctan2(turn[:, 1, 0], turn[:, 1, 1])
    return np.degrees(np.stack([pitch, yaw, roll], axis=1)).astype(np.float32)


def pose_histograms(a: F32, b: F32) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]], list[Array]]:
    """Gives for each angle of (T, 3) and (U, 3), degrees, the two histograms (n,), each summing to 1, and the n + 1
    edges of their common bins of 2 degrees, which lie on whole multiples of 2."""
    first, second, bins = [], [], []
    for x, y in zip(a.T, b.T, strict=True):
        low, high = (float(fn([fn(x), fn(y)])) for fn in (np.min, np.max))
        edges = np.arange(np.floor(low / POSE_BIN), np.floor(high / POSE_BIN) + 2) * POSE_BIN
        first.append(np.histogram(x, edges)[0] / len(x))
        second.append(np.histogram(y, edges)[0] / len(y))
        bins.append(edges)
    return first, second, bins


def pose_similarity(a: F32, b: F32) -> float:
    """Gives the head-pose similarity HS in [0, 1] of two runs of pitch, yaw and roll (T, 3) and (U, 3), degrees.

    For each angle the histograms over bins of 2 degrees, each summing to 1, are laid over each other; their overlap is
    the sum of the smaller values.  HS is the mean overlap of the three angles: 1 where the poses are spread alike, 0
    where no pose is shared, whatever their order in time.  After the measure of the same name in Yi et al. 2020.
    """
    first, second, _ = pose_histograms(a, b)
    return float(np.mean([np.minimum(x, y).sum() for x, y in zip(first, second, strict=True)]))
