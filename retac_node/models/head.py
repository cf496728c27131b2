"""The 3D head: what is in its file, and its shape for given coefficients.  Never draws, never fits.

Head space: x right in the picture, y down, z away from the camera; the head looks to -z; the origin lies midway
between the ears; metres.  The triangles' corners turn so that cross(b - a, c - a) points out of the head.
retac_node/train/headmodel.py builds the default one, weights/head.npz; weights/LICENSE-head.txt says what from.
models/dropins makes others out of the files of users.
"""

from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node import heads
from retac_node.ops.geometry import rotation_matrix

F32 = NDArray[np.float32]
SKIN, EYEBALL, UPPER_TEETH, LOWER_TEETH, TONGUE, CAVITY = range(6)  # values of `Head.part`


@dataclass(frozen=True)
class Head:
    """A linear head: shape = mean + identity coefficients x identity + activations x expression; albedo likewise."""

    mean: F32  # (V, 3) metres
    identity: F32  # (S, V, 3) metres for one standard deviation
    expression: F32  # (E, V, 3) metres at activation 1
    expression_names: tuple[str, ...]  # (E,) 52 ARKit units, then extra01..12 (1 moves a vertex by 5 mm, either way)
    albedo_mean: F32  # (V, 3) RGB [0, 1]; times the light it is the plate's RGB as stored
    albedo: F32  # (A, V, 3) for one standard deviation
    triangles: NDArray[np.int32]  # (F, 3)
    uv: F32  # (V, 2) [0, 1], u right, v down; no two triangles share texels
    part: NDArray[np.uint8]  # (F,) SKIN .. CAVITY
    twin: NDArray[np.int32]  # (V,) the vertex that stands for this one where the texture has a seam
    spoken: F32  # (V,) [0, 1] how far speech rules the place
    landmark_triangle: NDArray[np.int32]  # (478,) triangle that carries the landmark, -1 where none does
    landmark_bary: F32  # (478, 3) weights of that triangle's corners
    native: F32 | None = None  # (E, 64) activations -> the model's own coefficients; None where they are the same

    def unit(self, name: str) -> int:
        """Finds a unit by its ARKit name."""
        return self.expression_names.index(name)


def load_head(path: Path | None = None) -> Head:
    """Loads a head, each file once; None: the one that the settings name.  Default: 7 MB on disk, 30 MB in memory."""
    return read_head(path or heads.path())


@cache
def read_head(path: Path) -> Head:
    with np.load(path, allow_pickle=False) as file:
        held = [field.name for field in fields(Head) if field.default is MISSING or field.name in file.files]
        arrays: dict[str, Any] = {name: file[name] for name in held}
    for name in ("identity", "expression", "albedo"):
        arrays[name] = arrays[name].astype(np.float32)
    arrays["expression_names"] = tuple(str(name) for name in arrays["expression_names"])
    return Head(**arrays)


def vertices(head: Head, identity: NDArray[Any], expression: NDArray[Any]) -> F32:
    """Shapes one person (S,) in n expressions (n, E) -> (n, V, 3), metres, head space; 57 kB a frame."""
    person = neutral(head, identity)
    moved = np.asarray(expression, np.float32) @ head.expression.reshape(len(head.expression), -1)  # (n, 3V)
    return np.asarray(moved.reshape(-1, *person.shape) + person)


def neutral(head: Head, identity: NDArray[Any]) -> F32:
    """Shapes one person (S,) at rest -> (V, 3), metres, head space."""
    return np.asarray(head.mean + np.tensordot(np.asarray(identity, np.float32), head.identity, 1))


def posed(points: NDArray[Any], rotation: NDArray[Any], translation: NDArray[Any]) -> F32:
    """Carries head points (n, V, 3) into the camera: rotations (n, 3), axis-angle, then translations (n, 3), metres."""
    turned = points @ rotation_matrix(rotation).swapaxes(-1, -2)
    return np.asarray((turned + translation[:, None]).astype(np.float32))


def albedo(head: Head, coefficients: NDArray[Any]) -> F32:
    """Colours one person (A,) -> (V, 3) RGB, clipped to [0, 1]."""
    colour = head.albedo_mean + np.tensordot(np.asarray(coefficients, np.float32), head.albedo, 1)
    return np.asarray(np.clip(colour, 0, 1))


def landmarks(head: Head, points: NDArray[Any]) -> F32:
    """Reads the 478 face-mesh landmarks off points (..., V, 3) -> (..., 478, 3); NaN where the model has none."""
    corners = points[..., head.triangles[head.landmark_triangle], :]  # (..., 478, 3, 3)
    found = np.einsum("...lcx,lc->...lx", corners, head.landmark_bary)
    return np.asarray(np.where(head.landmark_triangle[:, None] < 0, np.nan, found).astype(np.float32))
