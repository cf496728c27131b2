"""Carries pixels with the head: a dense backward warp driven by a mesh and relaxed to zero away from it.

A picture of the head in one shape and pose becomes a picture of it in another.  It never invents pixels: what the source
did not show is stretched from its surroundings.
"""

import functools

import cv2
import numpy as np
from numba import njit

from retac_node.data import F32, U8
from retac_node.ops.raster import Raster

NO_MAP = np.empty((0, 0), np.float32)  # OpenCV takes x and y in one map
KNOWN = 0.07  # weight from which the field counts as known
STEADY = 6.0  # pixels of blur of the field off the mesh
COARSE = 4  # the field off the mesh is smooth: it is filled at a quarter of the resolution


def displacement(raster: Raster, triangles: np.ndarray, source: F32, reach: float, held: F32 | None = None) -> F32:
    """Gives, for each pixel of the target, how far away in the source its colour lies.

    raster: the mesh drawn at its target positions; source (V, 2): where the same vertices lie in the source, pixels of
    the same window; reach: pixels over which the field dies out beyond the mesh; held (h, w) [0, 1]: what does not move,
    whatever the mesh does.  Returns (h, w, 2) float32, pixels.
    """
    height, width = raster.triangle.shape
    drawn = (raster.triangle >= 0).astype(np.float32)  # (h, w)
    field = np.zeros((height, width, 2), np.float32)
    _offset(raster.triangle, raster.bary, np.ascontiguousarray(triangles), np.ascontiguousarray(source), field)
    if held is None:
        return joined(field, drawn, relaxed(field, drawn, reach, STEADY))
    beyond = relaxed(field * (1 - held)[..., None], np.maximum(drawn, held), reach, STEADY)
    return spared(joined(field, drawn, beyond), held)


def spared(field: F32, held: F32) -> F32:
    """Keeps a field (h, w, 2) from moving what is held (h, w) [0, 1], and from pulling it elsewhere."""
    pulled = np.maximum(held, np.clip(sample(held, field), 0, 1))
    return field * (1 - pulled)[..., None]


def joined(field: F32, known: F32, beyond: F32) -> F32:
    """Takes a field (h, w, 2) where it is known (h, w) [0, 1] and another beyond, with no step where they meet."""
    inside = cv2.GaussianBlur(cv2.erode(known, np.ones((3, 3), np.uint8)), (0, 0), 1.0) * known
    mixed = np.array(beyond, np.float32)
    _mix(np.ascontiguousarray(field), inside, mixed)
    return mixed


@njit(cache=True, nogil=True)
def _mix(field: F32, share: F32, mixed: F32) -> None:
    for i in range(share.shape[0]):
        for j in range(share.shape[1]):
            for k in range(2):
                mixed[i, j, k] += share[i, j] * (field[i, j, k] - mixed[i, j, k])


@njit(cache=True, nogil=True)
def _offset(triangle: np.ndarray, bary: F32, triangles: np.ndarray, source: F32, out: F32) -> None:
    for i in range(triangle.shape[0]):
        for j in range(triangle.shape[1]):
            f = triangle[i, j]
            if f < 0:
                continue
            x, y = -(j + np.float32(0.5)), -(i + np.float32(0.5))
            for corner in range(3):
                v = triangles[f, corner]
                x += bary[i, j, corner] * source[v, 0]
                y += bary[i, j, corner] * source[v, 1]
            out[i, j, 0], out[i, j, 1] = x, y


def relaxed(field: F32, weight: F32, reach: float, steady: float) -> F32:
    """Extends a field smoothly from where it is known over the rest, and down to zero at `reach` pixels from there.

    field (h, w, 2) is 0 where it is not known, and times its weight (h, w) [0, 1] elsewhere; `steady` is the sigma of a
    last blur, pixels.
    """
    height, width = weight.shape
    small = (-(-width // COARSE), -(-height // COARSE))
    thin = cv2.resize(weight, small, interpolation=cv2.INTER_AREA)
    filled = push_pull(cv2.resize(field, small, interpolation=cv2.INTER_AREA), thin)
    away = cv2.distanceTransform((thin < KNOWN).astype(np.uint8), cv2.DIST_L2, 5) * COARSE  # pixels
    fade = np.clip(1 - away / reach, 0, 1)
    filled = cv2.GaussianBlur(filled, (0, 0), steady / COARSE) * (fade * fade * (3 - 2 * fade))[..., None]
    return cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)


def push_pull(weighted: F32, weight: F32) -> F32:
    """Fills the holes of an image from ever coarser versions of itself (Gortler et al. 1996).

    weighted (h, w, c) is the image times its weight (h, w) in [0, 1].
    """
    if min(weight.shape) <= 2:
        mean = weighted.sum((0, 1)) / max(float(weight.sum()), 1e-6)
        return np.broadcast_to(mean, weighted.shape).astype(np.float32)
    half = (-(-weight.shape[1] // 2), -(-weight.shape[0] // 2))
    coarse = push_pull(
        cv2.resize(weighted, half, interpolation=cv2.INTER_AREA), cv2.resize(weight, half, interpolation=cv2.INTER_AREA)
    )
    up = cv2.resize(coarse, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    known = np.minimum(weight, 1)[..., None]
    return weighted + up * (1 - known)


def sample(picture: U8 | F32, field: F32, corner: tuple[float, float] = (0.0, 0.0)) -> U8 | F32:
    """Pulls picture (H, W, c) through a displacement (h, w, 2) whose window starts at `corner` (x, y) of the picture."""
    first = centres(*field.shape[:2])
    at = field + first if corner == (0.0, 0.0) else field + (first + np.array(corner, np.float32))
    at -= np.float32(0.5)  # OpenCV counts from pixel centres
    return cv2.remap(picture, at, NO_MAP, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@functools.lru_cache(maxsize=8)
def centres(height: int, width: int) -> F32:
    """Gives the (h, w, 2) x, y of the pixels' centres; shared between calls, so not to be written to."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) + 0.5
    grid = np.stack([columns, rows], -1)
    grid.flags.writeable = False
    return grid
