"""A z-buffer for triangle meshes on the CPU, and what is read off it.  Never lights, textures or blends.

Pixel (row i, column j) is sampled at its centre, x = j + 0.5, y = i + 0.5.  Both sides of a triangle are drawn, so
that the same function rasterises a mesh laid out in texture space.  Calls are independent: safe from many threads.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]


@dataclass(frozen=True)
class Raster:
    """What lies nearest at each pixel; one frame (h, w), or n frames with a leading axis."""

    triangle: I32  # (h, w) index of the triangle, -1 where there is none
    bary: F32  # (h, w, 3) perspective-correct weights of its three corners, 0 where there is none
    depth: F32  # (h, w) in the unit of the vertices' depth, infinite where there is none


def rasterise(vertices: NDArray[Any], triangles: I32, height: int, width: int) -> Raster:
    """Finds the nearest triangle at each pixel of one frame.

    vertices (V, 3): x and y in pixels, depth > 0.  A triangle with a corner at depth <= 0 or not finite is left out.
    """
    raster = rasterise_frames(vertices[None], triangles, height, width)
    return Raster(raster.triangle[0], raster.bary[0], raster.depth[0])


def rasterise_frames(vertices: NDArray[Any], triangles: I32, height: int, width: int) -> Raster:
    """The same for n frames (n, V, 3) at once, one thread a frame; 20 bytes a pixel."""
    frames = len(vertices)
    triangle = np.full((frames, height, width), -1, np.int32)
    bary = np.zeros((frames, height, width, 3), np.float32)
    depth = np.full((frames, height, width), np.inf, np.float32)
    points = np.ascontiguousarray(vertices, np.float32)
    corners = np.ascontiguousarray(triangles, np.int32)
    if frames == 1:
        _draw(points[0], corners, triangle[0], bary[0], depth[0])
    else:
        _draw_frames(points, corners, triangle, bary, depth)
    return Raster(triangle, bary, depth)


def interpolate(raster: Raster, triangles: I32, attributes: NDArray[Any]) -> F32:
    """Spreads vertex attributes (V, C) over one frame's raster -> (h, w, C); 0 where there is no triangle."""
    out = np.zeros((*raster.triangle.shape, attributes.shape[1]), np.float32)
    values = np.ascontiguousarray(attributes, np.float32)
    _spread(raster.triangle, raster.bary, np.ascontiguousarray(triangles, np.int32), values, out)
    return out


def vertex_normals(vertices: NDArray[Any], triangles: I32, twin: I32) -> F32:
    """Gives outward unit normals (..., V, 3): the area-weighted mean of the triangles around each vertex.

    vertices (..., V, 3).  `twin` (V,) names the vertex that stands for each one, so that seams do not show.
    """
    flat = np.ascontiguousarray(vertices, np.float32).reshape(-1, *vertices.shape[-2:])  # (n, V, 3)
    corners = np.ascontiguousarray(twin[triangles], np.int32)
    sums = np.zeros_like(flat)
    _add_normals(flat, corners, sums)
    sums /= np.maximum(np.linalg.norm(sums, axis=-1, keepdims=True), 1e-20)
    return np.asarray(sums[:, twin].reshape(vertices.shape))


@njit(cache=True, nogil=True)
def corners_of(points: F32, triangles: I32, f: int) -> tuple[float, ...]:
    """Gives x, y, depth of a triangle's three corners and twice its area on the screen, 0 where it is not drawn at all."""
    a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
    ax, ay, az = np.float64(points[a, 0]), np.float64(points[a, 1]), np.float64(points[a, 2])
    bx, by, bz = np.float64(points[b, 0]), np.float64(points[b, 1]), np.float64(points[b, 2])
    cx, cy, cz = np.float64(points[c, 0]), np.float64(points[c, 1]), np.float64(points[c, 2])
    area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy)
    if not (az > 0 and bz > 0 and cz > 0) or not np.isfinite(area + az + bz + cz):
        area = np.float64(0)
    return ax, ay, az, bx, by, bz, cx, cy, cz, area


@njit(cache=True, nogil=True)
def _draw(points: F32, triangles: I32, triangle: I32, bary: F32, depth: F32) -> None:
    height, width = triangle.shape
    edge = -1e-9  # a centre that lies on an edge may be either triangle's, but never nobody's
    for f in range(triangles.shape[0]):
        ax, ay, az, bx, by, bz, cx, cy, cz, area = corners_of(points, triangles, f)
        if area == 0:
            continue
        left = int(np.ceil(max(min(ax, bx, cx), 0.0) - 0.5))
        right = int(np.floor(min(max(ax, bx, cx), float(width)) - 0.5))
        top = int(np.ceil(max(min(ay, by, cy), 0.0) - 0.5))
        bottom = int(np.floor(min(max(ay, by, cy), float(height)) - 0.5))
        ia, ib, ic = 1 / az, 1 / bz, 1 / cz
        step_a, step_b = (by - cy) / area, (cy - ay) / area  # change of the weights from one pixel to the next
        for i in range(top, bottom + 1):
            row = i + 0.5 - cy
            start_a = (cx - bx) / area * row - step_a * (cx - 0.5)
            start_b = (ax - cx) / area * row - step_b * (cx - 0.5)
            for j in range(left, right + 1):
                wa, wb = start_a + step_a * j, start_b + step_b * j
                wc = 1 - wa - wb
                if wa < edge or wb < edge or wc < edge:
                    continue
                pa, pb, pc = wa * ia, wb * ib, wc * ic  # weights over depth are linear on the screen
                z = 1 / (pa + pb + pc)
                if np.float32(z) < depth[i, j]:  # of two at the same float32 depth the one listed first is kept
                    depth[i, j] = z
                    triangle[i, j] = f
                    bary[i, j, 0], bary[i, j, 1], bary[i, j, 2] = pa * z, pb * z, pc * z


@njit(cache=True, nogil=True, parallel=True)
def _draw_frames(points: F32, triangles: I32, triangle: I32, bary: F32, depth: F32) -> None:
    for k in prange(points.shape[0]):
        _draw(points[k], triangles, triangle[k], bary[k], depth[k])


@njit(cache=True, nogil=True)
def _spread(triangle: I32, bary: F32, triangles: I32, values: F32, out: F32) -> None:
    for i in range(triangle.shape[0]):
        for j in range(triangle.shape[1]):
            f = triangle[i, j]
            if f < 0:
                continue
            for corner in range(3):
                weight, v = bary[i, j, corner], triangles[f, corner]
                for channel in range(values.shape[1]):
                    out[i, j, channel] += weight * values[v, channel]


@njit(cache=True, nogil=True)
def _add_normals(vertices: F32, triangles: I32, sums: F32) -> None:
    for k in range(vertices.shape[0]):
        for f in range(triangles.shape[0]):
            a, b, c = triangles[f, 0], triangles[f, 1], triangles[f, 2]
            x, y, z = vertices[k, a, 0], vertices[k, a, 1], vertices[k, a, 2]
            ux, uy, uz = vertices[k, b, 0] - x, vertices[k, b, 1] - y, vertices[k, b, 2] - z
            vx, vy, vz = vertices[k, c, 0] - x, vertices[k, c, 1] - y, vertices[k, c, 2] - z
            nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
            for corner in range(3):
                v = triangles[f, corner]
                sums[k, v, 0] += nx
                sums[k, v, 1] += ny
                sums[k, v, 2] += nz
