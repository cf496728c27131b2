"""A head model as its own files give it, whatever their format.  Never reads a file, never looks at a picture."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.errors import BadInput

Array = NDArray[Any]

IDENTITIES, NATIVE, ALBEDOS = 80, 64, 80  # of the 257 numbers of the literature
SMALLEST, LARGEST = 0.1, 0.7  # metres, height of what a head model may show
UPRIGHT = np.array([1, -1, -1], np.float32)  # y up and z to the viewer -> y down and z away; a turn about x


@dataclass(frozen=True)
class RawModel:
    """A linear model: shape = mean + coefficients x identity + coefficients x expression; albedo likewise.

    Axes are those of head space (x right in the picture, y down, z away from the camera); the origin is the format's.
    """

    source: str  # the folder, for messages
    mean: Array  # (V, 3) metres
    identity: Array  # (S, V, 3) metres for one standard deviation
    expression: Array  # (N, V, 3) metres for one standard deviation, or at activation 1 where the shapes have names
    names: tuple[str, ...]  # (N,) the shapes' names as ARKit spells them; empty where they have none
    triangles: Array  # (F, 3)
    albedo_mean: Array | None = None  # (V, 3) RGB [0, 1]; None where the model has no colour
    albedo: Array | None = None  # (A, V, 3) for one standard deviation
    uv: Array | None = None  # (F, 3, 2) texture coordinates of each triangle's corners, u right, v down
    part: Array | None = None  # (F,) SKIN .. CAVITY; None where the format does not say


def checked(raw: RawModel) -> RawModel:
    """Gives the model with bases of the literature's lengths and triangles that face outwards.

    Longer bases are cut and shorter ones filled with zeros.  Raises BadInput where the arrays do not fit each other.
    """
    count = len(raw.mean)
    fits = all(basis.ndim == 3 and basis.shape[1:] == (count, 3) for basis in (raw.identity, raw.expression))
    if not fits or raw.triangles.min(initial=0) < 0 or raw.triangles.max(initial=0) >= count:
        raise BadInput(f"the head model in {raw.source} has arrays of different sizes; get its files again")
    every = [raw.mean, raw.identity, raw.expression]
    if not all(np.isfinite(array).all() for array in every) or not SMALLEST < np.ptp(raw.mean[:, 1]) < LARGEST:
        raise BadInput(
            f"the head model in {raw.source} is {np.ptp(raw.mean[:, 1]):.3g} m high, which no head is; "
            "give the files as their makers hand them out"
        )
    return replace(
        raw,
        identity=filled(raw.identity, IDENTITIES),
        expression=filled(raw.expression, NATIVE),
        albedo=None if raw.albedo is None else filled(raw.albedo, ALBEDOS),
        triangles=outward(raw.mean, raw.triangles) if raw.uv is None else raw.triangles,
    )


def filled(basis: Array, count: int) -> Array:
    """Cuts or fills (n, V, 3) to (count, V, 3)."""
    out = np.zeros((count, *basis.shape[1:]), np.float32)
    out[: len(basis)] = basis[:count]
    return out


def outward(points: Array, triangles: Array) -> Array:
    """Turns all corners over when most of the surface faces its own middle."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    out = (np.cross(b - a, c - a) * (a - points.mean(0))).sum()
    return np.ascontiguousarray(triangles if out > 0 else triangles[:, ::-1], np.int32)
