"""Tells speech from music, noise and silence.  Never tells who speaks.

Silero VAD v6: a small recurrent network over 32 ms at 16 kHz, about 0.005 s of work a second.
"""

import functools

import numpy as np
from onnxruntime import InferenceSession, SessionOptions

from retac_node import assets
from retac_node.data import F32
from retac_node.ops import sound

RATE = 16_000  # Hz
BLOCK = 512  # samples that are judged at once
BEFORE = 64  # and those that it sees before them
LIKELY = 0.5


def seconds_of_speech(samples: F32, rate: int) -> float:
    """Gives how many seconds of (N,) sound are speech.  Raises BadInput where the model is missing."""
    signal = sound.resample(samples, rate, RATE)
    padded = np.pad(signal, (BEFORE, -len(signal) % BLOCK))
    blocks = np.lib.stride_tricks.sliding_window_view(padded, BEFORE + BLOCK)[::BLOCK]  # (n, 576)
    state = np.zeros((1, 1, 128), np.float32)
    likely, *_ = model().run(None, {"input": np.ascontiguousarray(blocks), "h": state, "c": state})  # (n,)
    return float((likely.reshape(-1) > LIKELY).sum() * BLOCK / RATE)


@functools.cache
def model() -> InferenceSession:
    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return InferenceSession(str(assets.path("voice_activity")), options, providers=["CPUExecutionProvider"])
