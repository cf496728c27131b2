"""The units all stages speak, as mixtures of a model's own expression directions.  Never looks at a picture."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.models.dropins.raw import RawModel

Array = NDArray[Any]

RIDGE = 1e-3  # of the directions' mean square: keeps what they cannot make from being made of their far ends
EXTRA = "extra"  # units with this prefix are what the named ones leave of the model's own directions
PEAK = 0.005  # metres that an extra unit moves some vertex by
FAINT = 1e-5  # of the strongest: directions below it are rounding


def moved(weights: Any, basis: Array) -> Array:
    """Mixes directions (N, V, 3) by weights (E, N) -> (E, V, 3); or carries them vertex by vertex where sparse, (V', V)."""
    if isinstance(weights, np.ndarray):
        return np.tensordot(weights, basis, 1).astype(np.float32)
    return np.stack([weights @ one for one in basis]).astype(np.float32)


def mixtures(raw: RawModel, wanted: Array, skin: Array, names: tuple[str, ...]) -> Array:
    """Gives (E, 64): each unit in coefficients of the model's own directions.

    wanted (E, V, 3): what the named units do, carried over; skin (V,) marks what they are compared on.  A unit that the
    model has under its name, or as a left and a right one, is that; the others are the nearest that the directions make
    (least squares).  The extra units are the strongest directions, of what the model does for coefficients of one
    standard deviation, that no named unit makes.
    """
    basis = (raw.expression * np.sqrt(vertex_areas(raw) * skin)[:, None]).reshape(len(raw.expression), -1)  # (N, 3V)
    named = [unit for unit, name in enumerate(names) if not name.startswith(EXTRA)]
    square = basis.astype(float) @ basis.T  # (N, N)
    goal = (wanted[named] * np.sqrt(vertex_areas(raw) * skin)[:, None]).reshape(len(named), -1)
    stiff = square + RIDGE * square.trace() / max((square.diagonal() > 0).sum(), 1) * np.eye(len(square))
    out = np.zeros((len(names), len(basis)))
    out[named] = np.linalg.solve(stiff, basis @ goal.T).T
    for unit in named:
        if (own := by_name(raw.names, names[unit])).any():
            out[unit, : len(own)] = own
    extra = [unit for unit, name in enumerate(names) if name.startswith(EXTRA)]
    left = leftover(square, out[named], raw)[: len(extra)]
    out[extra[: len(left)]] = left
    return out.astype(np.float32)


def by_name(own: tuple[str, ...], name: str) -> Array:
    """Marks the model's shapes (N,) that make a unit: the one of its name, or its left and its right half."""
    if name in own:
        return np.array([shape == name for shape in own], float)
    return np.array([shape in (f"{name}Left", f"{name}Right") for shape in own], float)


def leftover(square: Array, named: Array, raw: RawModel) -> Array:
    """Finds directions (n, N), strongest first, that are square to all named units (U, N) in the metric (N, N)."""
    values, vectors = np.linalg.eigh(square)
    kept = values > FAINT * values.max()
    root = vectors[:, kept] * np.sqrt(values[kept])  # (N, m): coefficients -> places whose distance is the surface's
    back = vectors[:, kept] / np.sqrt(values[kept])
    _, strength, used = np.linalg.svd(named @ root, full_matrices=True)  # (m, m) rows
    free = used[int((strength > np.sqrt(FAINT) * strength.max()).sum()) :]  # (k, m)
    if len(free) == 0:
        return np.zeros((0, len(square)))
    spread, axes = np.linalg.eigh(free @ (root.T @ root) @ free.T)
    order = np.argsort(-spread)[: int((spread > FAINT * values.max()).sum())]
    found = axes[:, order].T @ free @ back.T  # (k, N)
    peak = np.linalg.norm(moved(found, raw.expression), axis=2).max(1)
    return np.asarray(found * (PEAK / np.maximum(peak, 1e-9))[:, None])


def vertex_areas(raw: RawModel) -> Array:
    """Gives (V,) a share of the surface, mean 1, so that dense places count no more than others."""
    a, b, c = (raw.mean[raw.triangles[:, k]] for k in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    around = np.bincount(raw.triangles.ravel(), np.repeat(area, 3), len(raw.mean))
    return np.asarray(around / around.mean())
