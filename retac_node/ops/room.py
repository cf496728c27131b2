"""Places a dry line in the room of a recording: its tail, its long-term spectrum, its loudness.  Never adds noise.

The background goes under the line where the whole sound is known: ops/bed.py.
"""

from dataclasses import dataclass

import numpy as np

from retac_node.data import F32
from retac_node.ops import loudness, noise, reverb, sound

LOUDNESS = (-36.0, -12.0)  # LUFS that a line is given at least and at most
CLEAR = 2.0  # times the noise's power that speech needs in a band for its spectrum to be known there
ENOUGH = 0.2  # seconds of noise
FADE = 0.030  # seconds in which the end is cut off


@dataclass(frozen=True)
class Room:
    loudness: float  # LUFS, of speech in it
    spectrum: F32  # (bands,) dB, of speech less the noise; NaN where it is not known; see ops/sound.py
    ring: reverb.Ring


def learn(samples: F32, rate: int) -> Room:
    """Measures (N,) speech in its room."""
    return Room(
        loudness.speech_loudness(samples, rate),
        clear_spectrum(samples, rate),
        reverb.heard(noise.cleared(samples, rate), rate),
    )


def place(samples: F32, rate: int, room: Room) -> F32:
    """Gives the dry line (N,) as it would sound there: longer by half the decay where it rings."""
    samples = reverb.ringing(np.pad(samples, (0, int(room.ring.decay / 2 * rate))), rate, room.ring)
    samples = sound.faded(samples, 0, int(FADE * rate))
    samples = sound.matched_spectrum(samples, rate, room.spectrum)
    wanted = float(np.clip(room.loudness, *LOUDNESS))
    gain = 10 ** ((wanted - loudness.speech_loudness(samples, rate)) / 20)
    return loudness.limited((samples * gain).astype(np.float32), rate)


def clear_spectrum(samples: F32, rate: int) -> F32:
    """Gives the long-term spectrum of speech without the noise that lies under it, so that no one speaks the noise."""
    spoken = np.repeat(sound.speaking(samples, rate), int(sound.HOP * rate))[: len(samples)]
    speech, whole = sound.band_power(samples[: len(spoken)][spoken], rate)
    rest = samples[: len(spoken)][~spoken]
    noise = sound.band_power(rest, rate)[0] if len(rest) > ENOUGH * rate else np.zeros_like(speech)
    clear = np.where(speech > CLEAR * noise, speech - noise, np.nan)
    return sound.in_decibels(clear / whole)
