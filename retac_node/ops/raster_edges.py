"""Supersampling where a raster has edges: sixteen samples in the pixels that an outline crosses.  Never colours them.

Samples lie on the (16, 2) Hammersley set, so that a level or upright edge has seventeen steps too.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from retac_node.ops.raster import F32, I32, Raster, corners_of

SAMPLES = 16
STEPS = np.arange(SAMPLES)
MIRRORED = np.array([int(f"{step:04b}"[::-1], 2) for step in STEPS])  # its bits the other way round
BEYOND = 1e6  # depth of what is not drawn
ROW = np.array([[0, 0, 0], [1, -2, 1], [0, 0, 0]], np.float32)
DIAGONAL = np.array([[1, 0, 0], [0, -2, 0], [0, 0, 1]], np.float32)
BENDS = (ROW, ROW.T, DIAGONAL, np.ascontiguousarray(DIAGONAL[::-1]))
OFFSETS = ((np.stack([STEPS, MIRRORED], 1) + 0.5) / SAMPLES).astype(np.float32)  # (16, 2) x, y in the pixel


@dataclass(frozen=True)
class Edges:
    """The pixels of one frame that an outline crosses, each drawn sixteen times."""

    at: tuple[NDArray[np.int64], NDArray[np.int64]]  # rows (K,) and columns (K,)
    samples: Raster  # (K, 16): `interpolate` reads it as it reads a picture


def edges(raster: Raster, vertices: NDArray[Any], triangles: I32, step: float) -> Edges:
    """Supersamples one frame's raster (h, w) along its outlines.

    vertices (V, 3) and triangles as they were drawn.  A pixel is on an outline where the mesh ends, or where depth bends by
    more than `step` (its unit) from one pixel to the next: a slope is none, however steep.
    """
    crossed = outlines(raster, step)
    at = np.nonzero(crossed)
    slot = np.full(crossed.shape, -1, np.int32)
    slot[at] = np.arange(len(at[0]))
    shape = (len(at[0]), SAMPLES)
    triangle, depth = np.full(shape, -1, np.int32), np.full(shape, np.inf, np.float32)
    bary = np.zeros((*shape, 3), np.float32)
    points = np.ascontiguousarray(vertices, np.float32)
    _draw_samples(points, np.ascontiguousarray(triangles, np.int32), slot, OFFSETS, triangle, bary, depth)
    return Edges((at[0], at[1]), Raster(triangle, bary, depth))


def coverage(raster: Raster, found: Edges) -> F32:
    """Gives how much of each pixel the mesh covers: (h, w) [0, 1], in sixteenths along the outline."""
    share = (raster.triangle >= 0).astype(np.float32)
    share[found.at] = (found.samples.triangle >= 0).mean(1, dtype=np.float32)
    return share


def outlines(raster: Raster, step: float) -> NDArray[np.bool_]:
    """Marks the pixels (h, w) at which depth bends by more than `step` along a row, a column or a diagonal."""
    depth = np.where(np.isfinite(raster.depth), raster.depth, BEYOND).astype(np.float32)
    crossed = np.zeros(depth.shape, bool)
    for kernel in BENDS:
        crossed |= np.abs(cv2.filter2D(depth, cv2.CV_32F, kernel, borderType=cv2.BORDER_REPLICATE)) > step
    return crossed


@njit(cache=True, nogil=True)
def _draw_samples(points: F32, triangles: I32, slot: I32, offsets: F32, triangle: I32, bary: F32, depth: F32) -> None:
    height, width = slot.shape
    for f in range(triangles.shape[0]):
        ax, ay, az, bx, by, bz, cx, cy, cz, area = corners_of(points, triangles, f)
        if area == 0:
            continue
        left, right = int(max(min(ax, bx, cx), 0.0)), int(min(max(ax, bx, cx), width - 1.0))
        top, bottom = int(max(min(ay, by, cy), 0.0)), int(min(max(ay, by, cy), height - 1.0))
        for i in range(top, bottom + 1):
            for j in range(left, right + 1):
                k = slot[i, j]
                if k < 0:
                    continue
                for s in range(offsets.shape[0]):
                    x, y = j + offsets[s, 0] - cx, i + offsets[s, 1] - cy
                    wa = ((by - cy) * x + (cx - bx) * y) / area
                    wb = ((cy - ay) * x + (ax - cx) * y) / area
                    wc = 1 - wa - wb
                    if wa < -1e-9 or wb < -1e-9 or wc < -1e-9:
                        continue
                    z = 1 / (wa / az + wb / bz + wc / cz)
                    if np.float32(z) < depth[k, s]:
                        depth[k, s] = z
                        triangle[k, s] = f
                        bary[k, s, 0], bary[k, s, 1], bary[k, s, 2] = wa / az * z, wb / bz * z, wc / cz * z
