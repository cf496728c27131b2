"""Makes speech a little longer or shorter without changing its pitch.  Pure numpy; knows no words.

WSOLA (Verhelst and Roelands 1993): pieces of the sound are laid over each other at another spacing, and each is taken
from where it goes on best from the one before.
"""

import numpy as np

from retac_node.data import F32

PIECE = 0.040  # seconds; half of it overlaps the next
SEARCH = 0.010  # seconds before and after the place it should come from: a period of a low voice


def stretched(samples: F32, rate: int, factor: float) -> F32:
    """(N,) -> (round(N * factor),).  What was at t lies at t * factor, within SEARCH."""
    count = round(len(samples) * factor)
    hop, reach = int(PIECE * rate / 2), int(SEARCH * rate)
    window = np.hanning(2 * hop + 1)[:-1].astype(np.float32)  # two of them, a hop apart, add up to 1
    pieces = -(-count // hop) + 1
    padded = np.pad(samples, (hop + reach, 4 * hop + 2 * reach))  # a piece that is asked for at -hop is there
    out = np.zeros((pieces + 1) * hop, np.float32)
    at = reach  # in `padded`, where the last piece was taken
    for i in range(pieces):
        wanted = reach + round(i * hop / factor)
        wanted = min(wanted, len(padded) - 3 * hop - 2 * reach)
        at = wanted if i == 0 else best_start(padded, at + hop, wanted, hop, reach)
        out[i * hop : (i + 2) * hop] += window * padded[at : at + 2 * hop]
    return out[hop : hop + count]


def best_start(sound: F32, follows: int, wanted: int, hop: int, reach: int) -> int:
    """Gives where, within `reach` of `wanted`, the sound is most like what follows the piece before."""
    model = sound[follows : follows + 2 * hop]
    region = sound[wanted - reach : wanted + reach + 2 * hop]  # (2 reach + 2 hop,)
    likeness = np.correlate(region, model, "valid")  # (2 reach + 1,)
    energy = np.convolve(region**2, np.ones(2 * hop, np.float32), "valid")
    return wanted - reach + int(np.argmax(likeness / np.sqrt(energy + 1e-6)))
