"""Second-order spherical-harmonic light on normals, on numpy arrays and on torch tensors.  Never casts shadows.

Ramamoorthi and Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001.  The nine coefficients
are those of the irradiance itself (the cosine lobe is already in them), in the frame of the normals given.
"""

from typing import Any

import numpy as np
import torch

CONSTANT = 0.282095
LINEAR = 0.488603
SQUARE = 1.092548
POLE = 0.315392
DIFFERENCE = 0.546274


def sh_basis(normals: Any) -> Any:
    """Evaluates the basis at unit normals (..., 3) -> (..., 9): 1, y, z, x, xy, yz, 3z^2-1, xz, x^2-y^2."""
    x, y, z = normals[..., 0], normals[..., 1], normals[..., 2]
    terms = [
        CONSTANT + 0 * x,
        LINEAR * y,
        LINEAR * z,
        LINEAR * x,
        SQUARE * x * y,
        SQUARE * y * z,
        POLE * (3 * z * z - 1),
        SQUARE * x * z,
        DIFFERENCE * (x * x - y * y),
    ]
    return torch.stack(terms, dim=-1) if isinstance(normals, torch.Tensor) else np.stack(terms, axis=-1)


def shade(albedo: Any, normals: Any, light: Any) -> Any:
    """Lights albedo (..., C) at unit normals (..., 3) by coefficients (9, C) -> (..., C), RGB, not clipped."""
    return albedo * (sh_basis(normals) @ light)


def even_light(level: float = 1.0) -> np.ndarray:
    """Makes the (9, 3) coefficients of light from everywhere, under which albedo 1 looks like `level`."""
    light = np.zeros((9, 3), np.float32)
    light[0] = level / CONSTANT
    return light
