"""Says the line in the person's voice, or takes a recorded line as it is, fitted to its slot.  Never touches pictures.

Text: the voice nearest to the reference is mixed from the bank, its pitch set to the reference's, the line spoken and
timed, then spectrum and loudness are matched and the watermark goes in.  The same options give the same samples.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from retac_shared.options import VoiceOptions
from scipy.optimize import nnls

from retac_node import assets, media
from retac_node.data import F32, Clip, Speech, Timed
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import activity, aligner, kokoro, speaker, watermark
from retac_node.ops import sound
from retac_node.stages.slot import Voice, in_slot, speak_within, trimmed

PITCHES = (0.7, 1.4)  # factors on the voice's pitch that still sound like a person
LEVELS = (-35.0, -12.0)  # dB, gated
NEIGHBOURS = 5  # voices that may be mixed
LISTEN = 60.0  # seconds of the reference that are used
ENOUGH = 1.0  # seconds of speech that a reference must have
OVERLOAD = 0.05  # of the sound at its peaks: it was cut off there
RECORDED_RATE = 48_000  # Hz


@dataclass(frozen=True)
class Reference:
    """What is known of the voice to imitate."""

    embedding: F32  # (256,) of unit length
    pitch: float  # Hz, median
    level: float  # dB, gated
    spectrum: F32  # (bands,) dB, see ops/sound.py


def run(ctx: Context, options: VoiceOptions, clip: Clip) -> Speech:
    """Gives the line as sound, its words and phonemes in time.  Raises BadInput for an unusable reference or slot."""
    return recorded(ctx, options, clip) if options.audio else spoken(ctx, options, clip)


def spoken(ctx: Context, options: VoiceOptions, clip: Clip) -> Speech:
    ctx.progress(0.0, "listening to the voice")
    samples, rate, name = reference_sound(ctx, options, clip)
    reference = listen(samples, rate, name)
    if sound.overload(samples) > OVERLOAD:
        ctx.warn(
            f"the sound of {name} is cut off at its peaks, as by a microphone that was too loud, so the voice is less "
            "like it than it could be; give a clean recording of the voice with --voice"
        )
    bank = kokoro.load_voices()
    weights = nearest_mix(bank, reference.embedding)
    pitch = reference.pitch / float(np.exp(weights @ np.log(bank.pitches)))
    voice = Voice(assets.path("kokoro"), bank.mixed(weights), float(np.clip(pitch, *PITCHES)))
    utterance = speak_within(ctx, voice, options.text, options.slot_seconds)
    ctx.progress(0.9, "matching the recording")
    samples = sound.matched_spectrum(utterance.samples, kokoro.RATE, reference.spectrum)
    samples = sound.at_level(samples, kokoro.RATE, float(np.clip(reference.level, *LEVELS)))
    samples = watermark.mark(samples, kokoro.RATE)
    likeness = speaker.similarity(speaker.embed(samples, kokoro.RATE), reference.embedding)
    ctx.progress(1.0, "spoken")
    speech = Speech(samples, kokoro.RATE, utterance.words, utterance.phonemes, len(samples) / kokoro.RATE, likeness)
    return speech if options.slot_seconds is None else in_slot(speech, options.slot_seconds)


def recorded(ctx: Context, options: VoiceOptions, clip: Clip) -> Speech:
    """Takes a recorded line as it is; its words and phonemes are found where the text is given too."""
    path = ctx.source(options.audio)
    samples, rate = media.read_audio(path, RECORDED_RATE)
    if len(samples) == 0 or not sound.speaking(samples, rate).any():
        raise BadInput(f"the recorded line {path.name} has no sound; give one with speech, or the text with --text")
    words, phonemes = heard(ctx, samples, rate, options.text)
    speech = Speech(samples, rate, words, phonemes, len(samples) / rate, likeness_to(clip, samples, rate))
    if options.slot_seconds is None:
        return speech
    if speech.seconds > options.slot_seconds:
        speech = trimmed(speech)
    if speech.seconds > options.slot_seconds + 0.001:
        raise BadInput(
            f"the recorded line {path.name} lasts {speech.seconds:.1f} s and its place in the clip "
            f"{options.slot_seconds:.1f} s; move --end later or shorten the recording"
        )
    return in_slot(speech, options.slot_seconds)


def heard(ctx: Context, samples: F32, rate: int, line: str) -> tuple[tuple[Timed, ...], tuple[Timed, ...]]:
    if not line:
        return (), ()
    try:
        return aligner.align(samples, rate, line)
    except BadInput as error:
        ctx.warn(f"{error}; the mouth follows the sound alone")
        return (), ()


def likeness_to(clip: Clip, samples: F32, rate: int) -> float:
    """Gives the similarity to the clip's own voice, NaN where the clip or the line has too little speech to tell."""
    if seconds_of_speech(clip.audio, clip.audio_rate) < ENOUGH or seconds_of_speech(samples, rate) < ENOUGH:
        return float("nan")
    return speaker.similarity(speaker.embed(samples, rate), speaker.embed(clip.audio, clip.audio_rate))


def reference_sound(ctx: Context, options: VoiceOptions, clip: Clip) -> tuple[F32, int, str]:
    """Gives samples, rate and name of the voice to imitate: the one asked for, else the clip's own."""
    if options.reference:
        path: Path = ctx.source(options.reference)
        samples, rate = media.read_audio(path)
        if len(samples) == 0:
            raise BadInput(f"{path.name} has no audio track; give a recording of the voice with --voice")
        return samples, rate, path.name
    if len(clip.audio) == 0:
        raise BadInput(f"{clip.name} has no audio track to take the voice from; give a recording of it with --voice")
    return clip.audio, clip.audio_rate, clip.name


def listen(samples: F32, rate: int, name: str) -> Reference:
    """Measures a voice.  Raises BadInput when there is less than a second of speech."""
    samples = samples[: int(LISTEN * rate)]
    pitch = sound.median_pitch(samples, rate)
    seconds = seconds_of_speech(samples, rate)
    if seconds >= ENOUGH and assets.available("voice_activity"):
        speech = activity.seconds_of_speech(samples, rate)
        if speech < ENOUGH:
            raise BadInput(
                f"{name} sounds like music or noise: {speech:.1f} s of its {seconds:.1f} s of sound are speech and the "
                f"voice needs {ENOUGH:.0f} s; give a recording of the voice with --voice"
            )
    if seconds < ENOUGH or np.isnan(pitch):
        raise BadInput(
            f"{name} has {seconds:.1f} s of audible speech and the voice needs {ENOUGH:.0f} s; "
            "give a recording of the voice with --voice"
        )
    return Reference(
        embedding=speaker.embed(samples, rate),
        pitch=pitch,
        level=sound.gated_level(samples, rate),
        spectrum=sound.long_term_spectrum(samples, rate),
    )


def seconds_of_speech(samples: F32, rate: int) -> float:
    return float(sound.speaking(samples, rate).sum() * sound.HOP) if len(samples) else 0.0


def nearest_mix(bank: kokoro.VoiceBank, embedding: F32) -> F32:
    """Gives weights (V,) that sum to 1, for the mix of the nearest voices whose embedding is nearest in angle.

    Over non-negative weights the least squares of E w - e and the largest cosine have the same direction.
    """
    near = np.argsort(-(bank.embeddings @ embedding), kind="stable")[:NEIGHBOURS]
    found, _ = nnls(bank.embeddings[near].T.astype(float), embedding.astype(float))
    weights = np.zeros(len(bank.names), np.float32)
    weights[near] = found / found.sum()
    return weights
