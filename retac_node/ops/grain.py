"""The plate's grain, measured and put back where a picture has lost it.  Never sharpens, never takes grain away."""

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32, U8

# Immerkaer 1996: blind to flat, sloping and evenly curved pictures, so that what is left is noise.
KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
PER_NOISE = 6.0  # its root mean square for noise of deviation 1
RULED = 200  # matte from which the picture shows little of the plate
ENOUGH = 400  # pixels, to measure on
LEAST, MOST = 0.25, 12.0  # grey levels of grain worth adding, and believed
ALIKE = 0.85  # of the plate's grain: nobody sees that less is missing
QUANTILE = 0.5  # of the magnitudes: the median looks past edges
MEDIAN = 0.6745  # of a normal deviate's magnitude


def noise(picture: U8, where: NDArray[np.bool_]) -> float:
    """Gives the deviation of the noise in a picture (h, w, 3) within a region (h, w), grey levels."""
    rough = np.abs(cv2.filter2D(picture[..., 1], cv2.CV_32F, KERNEL)[where])  # green is most of what is seen
    return float(np.quantile(rough, QUANTILE)) / (PER_NOISE * MEDIAN)


def with_grain(picture: U8, plate: U8, matte: U8, seed: int) -> F32:
    """Adds to a picture (h, w, 3) the grain that it lacks against the plate, where its matte (h, w) rules: [0, 255].

    The same seed gives the same grain.
    """
    ruled = matte >= RULED
    grained = picture.astype(np.float32)
    if int(ruled.sum()) < ENOUGH:
        return grained
    there = min(noise(plate, ruled), MOST)
    if there < LEAST:
        return grained
    here = noise(picture, ruled)
    if here > ALIKE * there:
        return grained
    lacking = np.sqrt(there**2 - here**2)
    drawn = np.random.default_rng(seed).standard_normal(matte.shape, np.float32)
    return np.asarray(grained + np.float32(lacking) * drawn[..., None], np.float32)
