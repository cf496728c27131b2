"""The z-buffer by PyTorch3D, where that is installed.  Never lights, textures or blends.

PyTorch3D's screen has x to the left and y up, and its shorter side spans [-1, 1]; a centre on an edge is nobody's.
https://pytorch3d.org/docs/cameras
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch3d.renderer.mesh.rasterize_meshes import rasterize_meshes
from pytorch3d.structures import Meshes

from retac_node.ops.raster import I32, Raster


def rasterise_frames(vertices: NDArray[Any], triangles: I32, height: int, width: int, device: str) -> Raster:
    """Finds the nearest triangle at each pixel of n frames (n, V, 3), as `raster.rasterise_frames` does."""
    points = torch.from_numpy(np.ascontiguousarray(vertices, np.float32)).to(device)
    corners = torch.from_numpy(np.ascontiguousarray(triangles, np.int64)).to(device)
    good = torch.isfinite(points).all(-1) & (points[..., 2] > 0)  # (n, V)
    kept = [torch.nonzero(row[corners].all(1))[:, 0] for row in good]  # PyTorch3D would draw what crosses the camera
    screen = (torch.tensor([width, height], device=device) - 2 * points[..., :2]) / min(height, width)
    placed = torch.where(good[..., None], torch.cat([screen, points[..., 2:]], -1), 0)
    meshes = Meshes(list(placed), [corners[rows] for rows in kept])
    face, depth, bary, _ = rasterize_meshes(
        meshes, (height, width), blur_radius=0.0, faces_per_pixel=1, perspective_correct=True
    )
    hit = face[..., 0] >= 0  # (n, h, w)
    index = torch.cat([*kept, torch.full((1,), -1, device=device)])[face[..., 0]].int()  # -1 takes the last
    return Raster(
        index.cpu().numpy(),
        torch.where(hit[..., None], bary[..., 0, :], 0).cpu().numpy(),
        torch.where(hit, depth[..., 0], torch.inf).cpu().numpy(),
    )
