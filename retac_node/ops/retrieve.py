"""Chooses which of the person's own frames stand in for each new one.  Knows shapes and poses as vectors, never pixels.

Yi et al. 2020 look up the nearest features of a memory; here the choice is also smooth in time: the cheapest path
through the memory (Viterbi), joined by the frames most like it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32


@dataclass(frozen=True)
class Choice:
    index: NDArray[np.int32]  # (U, c) rows of the memory
    weight: F32  # (U, c) sums to 1


def choose(wanted: F32, held: F32, order: NDArray[np.int32], cost: F32, candidates: int, jump: float = 0.15) -> Choice:
    """Finds for each wanted key (U, K) the `candidates` rows of the held keys (M, K) to mix.

    order (M,) are source frame numbers: staying or moving on by one frame is free, anything else costs `jump` times the
    distance between the two held keys plus a constant.  cost (M,) is added to a row's distance (a blurred frame).
    """
    distance = np.sqrt(np.maximum(squares(wanted, held), 0)) + cost[None]  # (U, M)
    near = np.sqrt(np.maximum(squares(held, held), 0))  # (M, M)
    neighbours = np.abs(order[:, None] - order[None]) <= 1
    move = np.where(neighbours, 0, jump * (near + near.mean() * 0.5)).astype(np.float32)
    path = cheapest_path(distance, move)
    return mix(path, distance, near, candidates)


def squares(a: F32, b: F32) -> F32:
    """Gives squared distances between rows, (len(a), len(b))."""
    return (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T


def cheapest_path(distance: F32, move: F32) -> NDArray[np.int32]:
    """Viterbi: minimises the sum of distance[u, path[u]] + move[path[u - 1], path[u]]; distance (U, M), move (M, M)."""
    frames, rows = distance.shape
    came_from = np.zeros((frames, rows), np.int32)
    total = distance[0].copy()
    for u in range(1, frames):
        step = total[:, None] + move  # (M from, M to)
        came_from[u] = step.argmin(0)
        total = step[came_from[u], np.arange(rows)] + distance[u]
    path = np.zeros(frames, np.int32)
    path[-1] = total.argmin()
    for u in range(frames - 1, 0, -1):
        path[u - 1] = came_from[u, path[u]]
    return path


def mix(path: NDArray[np.int32], distance: F32, near: F32, candidates: int) -> Choice:
    """Joins to each frame of the path the rows closest both to what is wanted and to the path's own row."""
    together = distance + 0.5 * near[path]  # (U, M)
    together[np.arange(len(path)), path] = -1  # the path itself comes first
    candidates = min(candidates, distance.shape[1])
    index = np.argsort(together, axis=1, kind="stable")[:, :candidates].astype(np.int32)  # (U, c)
    reach = np.take_along_axis(distance, index, 1)  # (U, c)
    weight = 1 / (reach + 0.2 * reach.mean() + 1e-6)
    return Choice(index, (weight / weight.sum(1, keepdims=True)).astype(np.float32))
