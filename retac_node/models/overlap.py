"""Tells how much of speech is two people at the same moment.  Never tells who, nor whether people take turns.

Pyannote's speaker segmentation 3.0 (Bredin and Laurent 2021, "End-to-end speaker segmentation for overlap-aware
resegmentation"; Plaquet and Bredin 2023, on its classes): of 10 s at 16 kHz it says, each 17 ms, which of three voices
are heard, none, one or two of them.  About 0.06 s of work a second.
"""

import functools

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

from retac_node import assets
from retac_node.data import F32
from retac_node.ops import sound

RATE = 16_000  # Hz
WINDOW, LEAST = 10 * RATE, 2 * RATE  # samples that it sees at once; a shorter recording is seen as a whole
STEP = 270 / RATE  # seconds
PAIRS = 4  # the first class of two voices; 0 is none, 1 to 3 are one


def seconds_of_overlap(samples: F32, rate: int) -> tuple[float, float]:
    """Gives how many seconds of (N,) sound are two voices at once, and how many are speech at all, as expected.

    Raises BadInput where the model is missing.
    """
    signal = sound.resample(samples, rate, RATE)
    likely = np.concatenate([classes(signal[start : start + WINDOW]) for start in range(0, len(signal), WINDOW)])
    return float(likely[:, PAIRS:].sum() * STEP), float(likely[:, 1:].sum() * STEP)


def classes(window: F32) -> F32:
    """(n,) samples -> (steps, 7) how likely each class is; what is shorter than LEAST is filled with silence."""
    whole = np.pad(window, (0, max(0, LEAST - len(window))))
    (logarithms,) = model().run(None, {"input": whole[None, None]})  # (1, steps, 7)
    return np.exp(logarithms[0])


@functools.cache
def model() -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(str(assets.path("overlap")), options, providers=["CPUExecutionProvider"])
