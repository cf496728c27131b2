"""Lays the crop window around the face: upright, steady, of one size for the clip.  Never resamples when it need not."""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from retac_node.data import F32, U8

WIDTH_IN_FACES = 1.75  # the window against the landmarks' box: room for jaw, neck and the warp to die out
STEADY_SECONDS = 0.3  # the window follows the head with this much inertia
LARGEST = 768  # pixels; a face larger than this fills is worked on at a lower resolution
MULTIPLE = 16  # what the refiner's pyramid divides by


def windows(points: F32, fps: float) -> tuple[F32, int]:
    """Gives crop_from_frame (T, 2, 3) and the crop's side from landmarks (T, L, 2), plate pixels.

    At scale 1 the windows start on whole pixels, so that a crop is a plain slice of the plate.
    """
    low, high = points.min(1), points.max(1)  # (T, 2)
    face = float(np.percentile((high - low).max(1), 95))
    side = int(np.ceil(WIDTH_IN_FACES * face / MULTIPLE)) * MULTIPLE
    scale = min(1.0, LARGEST / side)
    size = min(side, LARGEST)
    centre = gaussian_filter1d((low + high) / 2, STEADY_SECONDS * fps, axis=0, mode="nearest")
    corner = centre - size / scale / 2
    if scale == 1.0:
        corner = np.round(corner)
    crop_from_frame = np.zeros((len(points), 2, 3), np.float32)
    crop_from_frame[:, 0, 0] = crop_from_frame[:, 1, 1] = scale
    crop_from_frame[:, :, 2] = -corner * scale
    return crop_from_frame, size


def cut(plate: U8, crop_from_frame: F32, size: int) -> U8:
    """Cuts the window (size, size, 3) out of the plate (H, W, 3); beyond the plate its edge is repeated."""
    scale = float(crop_from_frame[0, 0])
    if scale == 1.0:
        left, top = (int(-value) for value in crop_from_frame[:, 2])
        height, width = plate.shape[:2]
        above, below = max(0, -top), max(0, top + size - height)
        before, after = max(0, -left), max(0, left + size - width)
        if max(above, below, before, after) >= size:  # it lies beside the plate
            rows, columns = (np.clip(np.arange(at, at + size), 0, n - 1) for at, n in ((top, height), (left, width)))
            return np.ascontiguousarray(plate[rows[:, None], columns[None]])
        inside = plate[max(0, top) : top + size, max(0, left) : left + size]
        return np.asarray(cv2.copyMakeBorder(inside, above, below, before, after, cv2.BORDER_REPLICATE), np.uint8)
    move = crop_from_frame.astype(np.float64).copy()
    move[:, 2] += (scale - 1) / 2  # OpenCV counts from pixel centres
    blurred = cv2.GaussianBlur(plate, (0, 0), 0.4 / scale) if scale < 0.75 else plate
    return np.asarray(
        cv2.warpAffine(blurred, move, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def into_window(points: F32, crop_from_frame: F32) -> F32:
    """Moves plate pixels (n, V, 3; depth kept) into each frame's window; crop_from_frame (n, 2, 3)."""
    moved = points.copy()
    moved[..., :2] = (
        np.einsum("nij,nvj->nvi", crop_from_frame[:, :, :2], points[..., :2]) + crop_from_frame[:, None, :, 2]
    )
    return moved
