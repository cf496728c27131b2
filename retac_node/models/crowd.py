"""Tells whether the speech of a recording is one person's.  Never tells who, nor whether two speak at the same moment.

Speaker vectors of 1.6 s are parted into the two groups that differ most.  One person's two groups are nearly alike, in
whatever mood; those of two people who take turns are as far apart as strangers.
"""

import numpy as np
from numpy.typing import NDArray

from retac_node.data import F32
from retac_node.models.speaker import average

APART = 0.70  # cosine of the groups' means: one person 0.79 and more, two people 0.68 and less (22 and 45 recordings)
FEWEST = 3  # windows of a group, 2.3 s of speech
ROUNDS = 10


def several(vectors: F32) -> bool:
    """Says whether two people take turns in a recording, from the (B, 256) unit vectors of its windows, 0.77 s apart."""
    one, two, first = groups(vectors)
    smaller = int(min(first.sum(), (~first).sum()))
    return smaller >= FEWEST and float(one @ two) < APART


def groups(vectors: F32) -> tuple[F32, F32, NDArray[np.bool_]]:
    """(B, D) unit vectors -> the means of two groups (D,) and who is in the first (B,): spherical k-means, k = 2.

    It starts from the two that differ most, so the same vectors always give the same groups.
    """
    far = np.unravel_index((vectors @ vectors.T).argmin(), (len(vectors), len(vectors)))
    one, two = vectors[far[0]], vectors[far[1]]
    for _ in range(ROUNDS):
        first = vectors @ one > vectors @ two  # (B,)
        if first.all() or not first.any():
            break
        one, two = average(vectors[first]), average(vectors[~first])
    return one, two, vectors @ one > vectors @ two
