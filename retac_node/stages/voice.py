"""Says the line in the person's voice, or takes a recorded line as it is, fitted to its slot.  Never touches pictures.

Text: the reference is listened to (models/clone.py), an engine speaks and times the line in that voice
(models/engines), its sound is placed in the recording's room and the watermark goes in.  The same options give the
same samples.
"""

from dataclasses import replace
from pathlib import Path

from retac_shared.options import VoiceOptions

from retac_node import media
from retac_node.data import F32, Clip, Speaker, Speech, Timed
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import aligner, clone, engines, flaws, speaker, watermark
from retac_node.ops import room, sound
from retac_node.stages.slot import in_slot, trimmed

RECORDED_RATE = 48_000  # Hz


def run(ctx: Context, options: VoiceOptions, clip: Clip) -> Speech:
    """Gives the line as sound, its words and phonemes in time.  Raises BadInput for an unusable reference or slot."""
    return recorded(ctx, options, clip) if options.audio else spoken(ctx, options, clip)


def spoken(ctx: Context, options: VoiceOptions, clip: Clip) -> Speech:
    ctx.progress(0.0, "listening to the voice")
    samples, rate, name = reference_sound(ctx, options, clip)
    voice = clone.learn(samples, rate, name)
    for sentence in flaws.flaws(clone.listened(samples, rate), rate, name):
        ctx.warn(sentence)
    asked = engines.SpeakOptions(options.engine, options.slot_seconds, options.seed, ctx.device)
    line = engines.speak(options.text, voice, asked, ctx)
    ctx.progress(0.9, "matching the recording")
    samples = watermark.mark(room.place(line.samples, line.rate, room_of(clip, voice)), line.rate)
    likeness = speaker.similarity(speaker.embed(samples, line.rate), voice.embedding)
    ctx.progress(1.0, "spoken")
    speech = Speech.of(samples, line.rate, line.words, line.phonemes, likeness)
    return speech if options.slot_seconds is None else in_slot(speech, options.slot_seconds)


def room_of(clip: Clip, voice: Speaker) -> room.Room:
    """Gives the room in which the line shall be heard: the clip's; that of the voice where nobody speaks in the clip."""
    if clone.seconds_of_speech(clip.audio, clip.audio_rate) < clone.ENOUGH:
        return room.learn(voice.samples, voice.rate)
    heard = room.learn(clone.listened(clip.audio, clip.audio_rate), clip.audio_rate)
    return replace(heard, spectrum=room.clear_spectrum(voice.samples, voice.rate))


def recorded(ctx: Context, options: VoiceOptions, clip: Clip) -> Speech:
    """Takes a recorded line as it is; its words and phonemes are found where the text is given too."""
    path = ctx.source(options.audio)
    samples, rate = media.read_audio(path, RECORDED_RATE)
    if len(samples) == 0 or not sound.speaking(samples, rate).any():
        raise BadInput(f"the recorded line {path.name} has no sound; give one with speech, or the text with --text")
    words, phonemes = heard(ctx, samples, rate, options.text)
    speech = replace(Speech.of(samples, rate, words, phonemes, likeness_to(clip, samples, rate)), synthetic=False)
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
    sounds = ((clip.audio, clip.audio_rate), (samples, rate))
    if any(clone.seconds_of_speech(*each) < clone.ENOUGH for each in sounds):
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
