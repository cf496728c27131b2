"""Tells whether two people speak in a recording, in turns or at the same moment.  Never tells who.

In turns: speaker vectors of 1.6 s are parted into the two groups that differ most.  Of each the half that is surest
counts, for a window over a change of speaker is like both.  One person's groups are nearly alike; two people's are as
far apart as strangers are.  At the same moment: a net hears it (models/overlap.py).
"""

import numpy as np
from numpy.typing import NDArray

from retac_node import assets
from retac_node.data import F32
from retac_node.models import overlap, speaker

APART = 0.61  # cosine: 85 of 90 recordings of two people in turns of 3 and 6 s gave less, and 1 of 357 of one person
FEWEST = 2  # windows of a group
ROUNDS = 10
TOGETHER = 0.1  # of the speech is two voices at once,
LONG = (
    1.2  # and so many seconds of it: 450 recordings of one person, most of them in rooms and noise, gave 1.18 at most
)


def several(samples: F32, rate: int) -> bool:
    """Says whether two people speak in (N,) sound; at the same moment only where the model `overlap` is there."""
    return in_turns(samples, rate) or (assets.available("overlap") and together(samples, rate))


def together(samples: F32, rate: int) -> bool:
    """Says whether two people speak at the same moment for long enough to spoil the voice.

    Raises BadInput where the model is missing.
    """
    both, speech = overlap.seconds_of_overlap(samples, rate)
    return both > max(LONG, TOGETHER * speech)


def in_turns(samples: F32, rate: int) -> bool:
    """Says whether two people take turns."""
    vectors = speaker.embed_windows(samples, rate)  # (B, 256)
    one, two, first = groups(vectors)
    surer = vectors @ one - vectors @ two  # (B,)
    if min(first.sum(), (~first).sum()) < FEWEST:
        return False
    return float(core(vectors[first], surer[first]) @ core(vectors[~first], -surer[~first])) < APART


def core(vectors: F32, surer: F32) -> F32:
    """Gives the mean direction (D,) of the half of (B, D) unit vectors that is surest."""
    half = max(FEWEST, -(-len(vectors) // 2))
    return speaker.average(vectors[np.argsort(-surer)[:half]])


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
        one, two = speaker.average(vectors[first]), speaker.average(vectors[~first])
    return one, two, vectors @ one > vectors @ two
