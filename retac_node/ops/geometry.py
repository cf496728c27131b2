"""Rotations and the pinhole camera, on numpy arrays and on torch tensors.  Never knows faces, files or stages.

Camera space: x right, y down, z away from the camera, metres.  Pixels: x right, y down, the upper left corner of the
plate is (0, 0), so the centre of the first pixel is (0.5, 0.5).
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray


def rotation_matrix(axis_angle: NDArray[Any]) -> NDArray[Any]:
    """Turns (..., 3) axis-angle, radians, into (..., 3, 3) rotations (Rodrigues' formula)."""
    x, y, z = np.moveaxis(axis_angle, -1, 0)
    square = x * x + y * y + z * z
    angle = np.sqrt(np.maximum(square, 1e-12))
    small = square < 1e-8  # the quotients lose their digits here; their series do not
    first = np.where(small, 1 - square / 6, np.sin(angle) / angle)[..., None, None]
    second = np.where(small, 0.5 - square / 24, (1 - np.cos(angle)) / (angle * angle))[..., None, None]
    none = np.zeros_like(x)
    cross = np.stack([none, -z, y, z, none, -x, -y, x, none], axis=-1).reshape(*x.shape, 3, 3)
    rotation = np.eye(3) + first * cross + second * (cross @ cross)
    return np.asarray(rotation.astype(axis_angle.dtype))


def rotation_matrix_torch(axis_angle: torch.Tensor) -> torch.Tensor:
    """The same for tensors; its gradient is finite everywhere, at rotation zero too."""
    x, y, z = axis_angle.unbind(-1)
    square = x * x + y * y + z * z
    small = square < 1e-8
    angle = torch.where(small, torch.ones_like(square), square).sqrt()
    first = torch.where(small, 1 - square / 6, torch.sin(angle) / angle)[..., None, None]
    second = torch.where(small, 0.5 - square / 24, (1 - torch.cos(angle)) / angle.square())[..., None, None]
    none = torch.zeros_like(x)
    cross = torch.stack([none, -z, y, z, none, -x, -y, x, none], dim=-1).reshape(*x.shape, 3, 3)
    return torch.eye(3, dtype=x.dtype, device=x.device) + first * cross + second * (cross @ cross)


def axis_angle(rotation: NDArray[Any]) -> NDArray[Any]:
    """Turns (..., 3, 3) rotations into (..., 3) axis-angle, radians, at most pi long (through the unit quaternion)."""
    flat = rotation.reshape(-1, 3, 3).astype(np.float64)
    trace = np.trace(flat, axis1=1, axis2=2)
    diagonal = np.einsum("nii->ni", flat)
    squares = np.concatenate([1 + trace[:, None], 1 - trace[:, None] + 2 * diagonal], axis=1)  # 4 q^2: (n, 4) w x y z
    outer = np.empty((len(flat), 4, 4))  # 4 q q^T: its row of the largest q is the most exact
    outer[:, 0, 0], outer[:, 1, 1], outer[:, 2, 2], outer[:, 3, 3] = squares.T
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        outer[:, 0, i + 1] = outer[:, i + 1, 0] = flat[:, k, j] - flat[:, j, k]
        outer[:, i + 1, j + 1] = outer[:, j + 1, i + 1] = flat[:, i, j] + flat[:, j, i]
    rows = outer[np.arange(len(flat)), squares.argmax(1)]  # (n, 4)
    quaternion = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    quaternion *= np.where(quaternion[:, :1] < 0, -1, 1)
    sine = np.linalg.norm(quaternion[:, 1:], axis=1, keepdims=True)
    scale = np.where(sine < 1e-9, 2.0, 2 * np.arctan2(sine, quaternion[:, :1]) / np.maximum(sine, 1e-9))
    result = (scale * quaternion[:, 1:]).reshape(*rotation.shape[:-2], 3)
    return np.asarray(result.astype(rotation.dtype))


def project(points: Any, focal: Any, width: float, height: float) -> Any:
    """Projects camera points (..., 3), metres, to (..., 3): x and y in pixels of the plate, depth in metres.

    Arrays and tensors alike.  `focal` is in pixels; the principal point is the middle of the plate.
    """
    depth = points[..., 2]
    x = focal * points[..., 0] / depth + width / 2
    y = focal * points[..., 1] / depth + height / 2
    if isinstance(points, torch.Tensor):
        return torch.stack([x, y, depth], dim=-1)
    return np.stack([x, y, depth], axis=-1).astype(points.dtype)
