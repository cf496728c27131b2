"""Learns a voice from a recording of it: what it sounds like, never how an engine must speak (style.py)."""

import numpy as np

from retac_node import assets
from retac_node.data import F32, Speaker
from retac_node.errors import BadInput
from retac_node.models import activity, speaker
from retac_node.ops import noise, sound

LISTEN = 60.0  # seconds of the recording that are used: those that hold most speech
ENOUGH = 0.9  # seconds of speech that it must have


def learn(samples: F32, rate: int, name: str) -> Speaker:
    """Measures the voice in (N,) samples, of which `name` is the recording.

    Raises BadInput when there is too little speech, or none with a pitch.
    """
    samples = listened(samples, rate)
    seconds = seconds_of_speech(samples, rate)
    if seconds < ENOUGH:
        raise BadInput(
            f"{name} has {seconds:.1f} s of audible speech and the voice needs {ENOUGH:g} s; "
            "give a recording of the voice with --voice"
        )
    if assets.available("voice_activity"):
        speech = activity.seconds_of_speech(samples, rate)
        if speech < ENOUGH:
            raise BadInput(
                f"{name} sounds like music or noise: {speech:.1f} s of its {seconds:.1f} s of sound are speech and the "
                f"voice needs {ENOUGH:g} s; give a recording of the voice with --voice"
            )
    clear = noise.cleared(samples, rate)
    pitch = sound.median_pitch(clear, rate)
    if np.isnan(pitch):
        raise BadInput(
            f"no sound in {name} has a pitch, as in whispering or noise, so there is no voice to learn; "
            "give a recording in a full voice with --voice"
        )
    return Speaker(
        name=name,
        samples=clear,
        rate=rate,
        embedding=speaker.embed(clear, rate),
        pitch=pitch,
        level=sound.gated_level(clear, rate),
        spectrum=sound.long_term_spectrum(clear, rate),
    )


def listened(samples: F32, rate: int) -> F32:
    """Gives the LISTEN seconds of (N,) samples that hold most speech; all of a shorter recording."""
    if len(samples) <= LISTEN * rate:
        return samples
    so_far = np.cumsum(sound.speaking(samples, rate))  # (n,) frames of speech up to each 10 ms
    steps = int(LISTEN / sound.HOP)
    start = int((so_far[steps:] - so_far[:-steps]).argmax()) * int(sound.HOP * rate)
    return samples[start:][: int(LISTEN * rate)]


def seconds_of_speech(samples: F32, rate: int) -> float:
    return float(sound.speaking(samples, rate).sum() * sound.HOP) if len(samples) else 0.0
