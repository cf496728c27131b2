"""The z-buffer of ops/raster.py in plain torch, many frames at a time, for a GPU.  Never lights, textures or blends.

The arithmetic and the rule for ties are those of the numba version, in the same order and in float64, so the pictures
are the same.  Each pixel keeps the least of its candidates' keys, which does not depend on their order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from retac_node.ops.raster import I32, Raster

BLOCK = 1 << 20  # candidates, a triangle at a pixel of its box, weighed at a time; 250 bytes each
EMPTY = torch.iinfo(torch.int64).max
INDEX = (1 << 32) - 1  # the lower half of a key is the triangle; the upper half the bits of its depth, a float32
EDGE = -1e-9  # a centre that lies on an edge may be either triangle's, but never nobody's


@dataclass(frozen=True)
class Faces:
    """All triangles of all frames, one row each: n F rows."""

    plane: Tensor  # (n F, 9) what `weigh` needs: two weights' rises and offsets, and 1 / depth of the corners
    left: Tensor  # (n F,) int64 first column of the box
    top: Tensor  # (n F,) int64
    columns: Tensor  # (n F,) int64 of the box
    end: Tensor  # (n F,) int64 candidates up to and with this triangle


def rasterise_frames(vertices: NDArray[Any], triangles: I32, height: int, width: int, device: str) -> Raster:
    """Finds the nearest triangle at each pixel of n frames (n, V, 3), as `raster.rasterise_frames` does."""
    points = torch.from_numpy(np.ascontiguousarray(vertices, np.float32)).to(device).double()
    corners = torch.from_numpy(np.ascontiguousarray(triangles, np.int64)).to(device)
    triangle, bary, depth = draw(points, corners, height, width)
    return Raster(triangle.cpu().numpy(), bary.cpu().numpy(), depth.cpu().numpy())


def draw(points: Tensor, triangles: Tensor, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gives triangle (n, h, w) int32, bary (n, h, w, 3) and depth (n, h, w) float32 on the device of the points.

    points (n, V, 3) float64; triangles (F, 3) int64.  Beyond the result and n F rows it needs memory for one BLOCK.
    """
    frames, pixels = len(points), height * width
    faces = set_up(points[:, triangles].reshape(-1, 3, 3), height, width)
    keys = torch.full((frames * pixels,), EMPTY, dtype=torch.int64, device=points.device)
    for start in range(0, int(faces.end[-1]) if len(faces.end) else 0, BLOCK):
        pixel, key = candidates(faces, start, len(triangles), height, width)
        keys.scatter_reduce_(0, pixel, key, "amin")
    triangle = torch.full((frames * pixels,), -1, dtype=torch.int32, device=points.device)
    bary = torch.zeros((frames * pixels, 3), device=points.device)
    depth = torch.full((frames * pixels,), torch.inf, device=points.device)
    for hit in torch.nonzero(keys != EMPTY)[:, 0].split(BLOCK):
        index = keys[hit] & INDEX
        row, column = hit % pixels // width, hit % width
        parts, near = weigh(faces.plane[hit // pixels * len(triangles) + index], row, column)[1:]
        triangle[hit] = index.int()
        bary[hit] = (parts * (1 / near)[:, None]).float()
        depth[hit] = (1 / near).float()
    shape = (frames, height, width)
    return triangle.view(shape), bary.view(*shape, 3), depth.view(shape)


def set_up(corners: Tensor, height: int, width: int) -> Faces:
    """Prepares triangles (n F, 3, 3); those behind the camera, without area or not finite get an empty box."""
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (corner.unbind(1) for corner in corners.unbind(1))
    area = (by - cy) * (ax - cx) + (cx - bx) * (ay - cy)
    good = (corners[..., 2] > 0).all(1) & (area != 0) & torch.isfinite(area + az + bz + cz)
    low = torch.where(good[:, None], corners.amin(1)[:, :2], 0).clamp(min=0)
    size = torch.tensor([width, height], dtype=torch.float64, device=corners.device)
    high = torch.where(good[:, None], corners.amax(1)[:, :2], 0).minimum(size)
    first, last = torch.ceil(low - 0.5).long(), torch.floor(high - 0.5).long()
    box = (last - first + 1).clamp(min=0) * good[:, None]  # (n F, 2) columns, rows
    rise_a, rise_b = (by - cy) / area, (cy - ay) / area
    plane = [rise_a, rise_b, (cx - bx) / area, (ax - cx) / area, cx - 0.5, cy, 1 / az, 1 / bz, 1 / cz]
    return Faces(torch.stack(plane, 1), first[:, 0], first[:, 1], box[:, 0], box.prod(1).cumsum(0))


def candidates(faces: Faces, start: int, count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Weighs one BLOCK of candidates: those inside their triangle, as pixel (k,) of all frames and key (k,)."""
    stop = min(start + BLOCK, int(faces.end[-1]))
    number = torch.arange(start, stop, device=faces.end.device)
    face = torch.searchsorted(faces.end, number, right=True)
    within = number - torch.where(face > 0, faces.end[face - 1], 0)
    row = faces.top[face] + within // faces.columns[face]
    column = faces.left[face] + within % faces.columns[face]
    inside, _, near = weigh(faces.plane[face], row, column)
    bits = (1 / near).float().view(torch.int32).long()
    key = (bits << 32) | (face % count)
    pixel = (face // count) * (height * width) + row * width + column
    return pixel[inside], key[inside]


def weigh(plane: Tensor, row: Tensor, column: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Tells whether centres lie inside (k,), and gives the weights over depth (k, 3) and 1 / depth (k,)."""
    rise_a, rise_b, down_a, down_b, right, below, *inverse = plane.unbind(1)
    down = row + 0.5 - below
    a = down_a * down - rise_a * right + rise_a * column
    b = down_b * down - rise_b * right + rise_b * column
    c = 1 - a - b
    inside = (a >= EDGE) & (b >= EDGE) & (c >= EDGE)
    parts = [weight * over for weight, over in zip((a, b, c), inverse, strict=True)]
    return inside, torch.stack(parts, 1), parts[0] + parts[1] + parts[2]
