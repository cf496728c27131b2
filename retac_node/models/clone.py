"""Learns a voice from a recording of it: what it sounds like, never how an engine must speak (style.py)."""

import numpy as np

from retac_node import assets
from retac_node.data import F32, Speaker
from retac_node.errors import BadInput
from retac_node.models import activity, speaker
from retac_node.ops import sound

LISTEN = 60.0  # seconds of the recording that are used
ENOUGH = 0.9  # seconds of speech that it must have


def learn(samples: F32, rate: int, name: str) -> Speaker:
    """Measures the voice in (N,) samples, of which `name` is the recording.

    Raises BadInput when there is too little speech.
    """
    samples = samples[: int(LISTEN * rate)]
    pitch = sound.median_pitch(samples, rate)
    seconds = seconds_of_speech(samples, rate)
    if seconds >= ENOUGH and assets.available("voice_activity"):
        speech = activity.seconds_of_speech(samples, rate)
        if speech < ENOUGH:
            raise BadInput(
                f"{name} sounds like music or noise: {speech:.1f} s of its {seconds:.1f} s of sound are speech and the "
                f"voice needs {ENOUGH:g} s; give a recording of the voice with --voice"
            )
    if seconds < ENOUGH or np.isnan(pitch):
        raise BadInput(
            f"{name} has {seconds:.1f} s of audible speech and the voice needs {ENOUGH:g} s; "
            "give a recording of the voice with --voice"
        )
    return Speaker(
        name=name,
        samples=samples,
        rate=rate,
        embedding=speaker.embed(samples, rate),
        pitch=pitch,
        level=sound.gated_level(samples, rate),
        spectrum=sound.long_term_spectrum(samples, rate),
    )


def seconds_of_speech(samples: F32, rate: int) -> float:
    return float(sound.speaking(samples, rate).sum() * sound.HOP) if len(samples) else 0.0
