"""Adds up blend shapes on one core, in a fixed order, so that a frame comes out the same alone and among others."""

import numpy as np
from numba import njit

from retac_node.data import F32


def moved_by(still: F32, basis: F32, activations: F32) -> F32:
    """Adds shapes (E, n), weighted by activations (E,), to what they move (n,); shapes at 0 cost nothing."""
    total = still.copy()
    _add(np.ascontiguousarray(basis, np.float32), np.ascontiguousarray(activations, np.float32), total)
    return total


@njit(cache=True, nogil=True)
def _add(basis: F32, activations: F32, total: F32) -> None:
    for e in range(basis.shape[0]):
        weight = activations[e]
        if weight != 0:
            for n in range(basis.shape[1]):
                total[n] += weight * basis[e, n]
