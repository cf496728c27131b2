"""Mixes the sound of the finished video: the line over the clip's own background, and the mark that must outlast AAC.

Never touches pictures, nor a sample of the clip's sound outside the slot.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from retac_node import media
from retac_node.data import F32, Clip, Speech
from retac_node.errors import BadInput
from retac_node.models import watermark
from retac_node.ops import bed, loudness, sound

AROUND = 5.0  # seconds on either side of the slot whose speech says how loud the line is
ENOUGH = 1.0  # seconds of speech that can say so
MOST = 12.0  # dB by which it is made louder or softer at most
EDGE = 0.010  # seconds in which a line that is cut off fades
TRIAL = 96_000  # bits a second: the mark must outlast an encoding as coarse as this
SURE, FOUND = 0.9, 0.5  # of the detector's answer, 0 to 1: that needs no second mark, that is enough; docs/VOICE.md


@dataclass(frozen=True)
class Mix:
    """The sound of a video, and where in it the line is."""

    samples: F32  # (N, C)
    rate: int  # Hz
    start: int  # first sample of the line
    stop: int


def alone(path: Path, clip: Clip, speech: Speech) -> Mix:
    """Gives the line over the clip's background, as long as the line; a recorded line as it is."""
    if not speech.synthetic:
        rate = media.sound_rate(speech.rate)
        line = media.resampled(speech.samples, speech.rate, rate)[:, None]
        return Mix(line, rate, 0, len(line))
    own, rate, native = own_sound(path)
    line = spread(speech, own, rate, native)
    part = loudness.limited(bed.alone(own, rate, len(line)) + line, rate)
    return marked(Mix(part, rate, 0, len(line)), speech, clip)


def in_place(path: Path, clip: Clip, speech: Speech, slot: tuple[int, int]) -> Mix:
    """Gives the clip's own sound with the speech in frames [a, b) replaced by the line."""
    own, rate, native = own_sound(path)
    start, stop, length = (round(frame / clip.fps * rate) for frame in (*slot, len(clip.times)))
    own = fitted(own, length)
    line = fitted(spread(speech, own, rate, native), stop - start)
    line = np.stack([sound.faded(channel, 0, int(EDGE * rate)) for channel in line.T], axis=1)
    if speech.synthetic:
        line = as_loud(line, own, rate, start, stop)
    part = loudness.limited(bed.without_speech(own, rate, start, stop) + line, rate)
    samples = own.copy()
    samples[start:stop] = marked(Mix(part, rate, 0, len(part)), speech, clip).samples
    return Mix(samples, rate, start, stop)


def own_sound(path: Path) -> tuple[F32, int, int]:
    """Reads the clip's sound, (N, C), at the rate at which it will be written; that rate and its own, Hz."""
    own, native = media.read_channels(path)
    rate = media.sound_rate(native)
    return media.resampled(own, native, rate), rate, native


def spread(speech: Speech, own: F32, rate: int, widest: int) -> F32:
    """Gives the line (N, C) at `rate`, each channel as loud as the clip speaks in it.

    A synthetic line gets no overtones that sound at `widest` Hz, the clip's own rate, cannot have.
    """
    samples, own_rate = speech.samples, speech.rate
    if speech.synthetic and widest < own_rate:
        samples, own_rate = media.resampled(samples, own_rate, widest), widest
    return (media.resampled(samples, own_rate, rate)[:, None] * balance(own, rate)).astype(np.float32)


def balance(own: F32, rate: int) -> F32:
    """Gives how loud each channel speaks, (C,), 1 where all speak alike."""
    if own.size == 0 or not own.any():
        return np.ones(own.shape[1], np.float32)
    mono = media.one_channel(own)
    spoken = np.repeat(sound.speaking(mono, rate), int(sound.HOP * rate))[: len(mono)]
    part = own[: len(spoken)][spoken] if spoken.any() else own
    loud = np.sqrt((part**2).mean(axis=0))  # (C,)
    return (loud / np.sqrt((media.one_channel(part) ** 2).mean())).clip(0, 2).astype(np.float32)


def as_loud(line: F32, own: F32, rate: int, start: int, stop: int) -> F32:
    """Gives the line the loudness of the speech around it, or of all the clip's where there is too little."""
    reach = int(AROUND * rate)
    near = np.concatenate([own[max(0, start - reach) : start], own[stop : stop + reach]])
    for speech in (near, own):
        if sound.speaking(speech.mean(axis=1), rate).sum() * sound.HOP >= ENOUGH:
            gain = loudness.speech_loudness(speech, rate) - loudness.speech_loudness(line, rate)
            return (line * 10 ** (np.clip(gain, -MOST, MOST) / 20)).astype(np.float32)
    return line


def fitted(samples: F32, length: int) -> F32:
    """Cuts (n, C) or pads it with silence to (length, C)."""
    result = np.zeros((length, samples.shape[1]), np.float32)
    result[: len(samples)] = samples[:length]
    return result


# ---- the mark


def marked(mix: Mix, speech: Speech, clip: Clip) -> Mix:
    """Gives a mix in which the mark of a synthetic line outlasts AAC; where it might not, it is put in once more.

    Raises BadInput where it cannot be found even then.
    """
    if not speech.synthetic or outlasting(mix) >= SURE:
        return mix
    channels = [watermark.mark(channel, mix.rate) for channel in mix.samples.T]
    again = replace(mix, samples=np.stack(channels, axis=1))
    if outlasting(again) < FOUND:
        raise BadInput(lost(clip.name))
    return again


def outlasting(mix: Mix) -> float:
    return certainty(media.through_aac(mix.samples, mix.rate, TRIAL), mix.rate)


def certainty(samples: F32, rate: int) -> float:
    """Gives how surely sound (N, C) is marked, 0 to 1."""
    return watermark.detect(media.one_channel(samples), rate)


def check(path: Path, mix: Mix, speech: Speech, clip: Clip) -> None:
    """Looks for the mark in the finished file, where the line is.  Raises BadInput where it is not found."""
    if speech.synthetic:
        heard, rate = media.read_channels(path)
        start, stop = (round(at * rate / mix.rate) for at in (mix.start, mix.stop))
        if certainty(heard[start:stop], rate) < FOUND:
            raise BadInput(lost(clip.name))


def lost(name: str) -> str:
    return (
        f"the watermark of the new line is not found in the finished sound of {name}, so no video is given; the sound "
        "under the line may be too loud or the line too short: make the line longer or choose another range"
    )
