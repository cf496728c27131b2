"""Closes the mouth of a model that has none behind its lips: a dark sheet, so that one does not see out at its back.

Never visible while the lips meet.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retac_node.models.head import CAVITY, Head
from retac_node.models.landmarks3d import INNER_LIPS, at_landmarks

Array = NDArray[Any]

BEHIND = np.array([0, 0, 0.012], np.float32)  # metres
WIDER = 1.25  # than the lips' opening, so that its edge stays hidden
DARK = (0.22, 0.08, 0.07)  # RGB
STRIP = [(i, i + 1, (20 - i) % 20) for i in range(10)] + [(i + 1, 19 - i, (20 - i) % 20) for i in range(10)]


def plugged(head: Head) -> Head:
    """Adds 20 vertices that follow the inner lips, and 18 triangles between them, where the head has no cavity."""
    if (head.part == CAVITY).any():
        return head
    strip = np.array([corners for corners in STRIP if len(set(corners)) == 3], np.int32) + len(head.mean)
    count = len(INNER_LIPS)
    return replace(
        head,
        mean=np.concatenate([head.mean, loop(head, head.mean) + BEHIND]),
        identity=np.concatenate([head.identity, loop(head, head.identity)], 1),
        expression=np.concatenate([head.expression, loop(head, head.expression)], 1),
        albedo_mean=np.concatenate([head.albedo_mean, np.tile(np.array(DARK, np.float32), (count, 1))]),
        albedo=np.concatenate([head.albedo, np.zeros((len(head.albedo), count, 3), np.float32)], 1),
        triangles=np.concatenate([head.triangles, strip]),
        uv=np.concatenate([head.uv, np.zeros((count, 2), np.float32)]),
        part=np.concatenate([head.part, np.full(len(strip), CAVITY, np.uint8)]),
        twin=np.concatenate([head.twin, len(head.mean) + np.arange(count, dtype=np.int32)]),
        spoken=np.concatenate([head.spoken, np.ones(count, np.float32)]),
    )


def loop(head: Head, values: Array) -> Array:
    """Reads (..., V, 3) round the inner lips -> (..., 20, 3), drawn apart from their middle."""
    around = at_landmarks(head, values)[..., INNER_LIPS, :]
    middle = around.mean(-2, keepdims=True)
    return (middle + WIDER * (around - middle)).astype(np.float32)
