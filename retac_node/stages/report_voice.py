"""What the report shows of the voice: the line in time, spectrograms, and how like the reference it is to a machine.

The reference is what was cloned: the clip's own sound, or the recording that was given.  Never judges by ear.
"""

from dataclasses import dataclass

import librosa
import numpy as np
from numpy.typing import NDArray

from retac_node import assets, media
from retac_node.data import F32, U8, Speech
from retac_node.models import clone, kokoro, speaker
from retac_node.ops import chart
from retac_node.ops.markup import figure
from retac_node.ops.packed import as_uri, in_colours

SECONDS = 10.0  # of sound in a spectrogram, and in a strip of the waveform
MEL_RATE = 16_000  # Hz
SIDE = 16  # an embedding's 256 numbers as a square


@dataclass(frozen=True)
class Recording:
    title: str
    samples: F32  # (N,) mono
    rate: int  # Hz


def section(reference: Recording, speech: Speech) -> str:
    """Draws all of it; without the reference's part where that has no sound."""
    line = Recording("The new line", speech.samples, speech.rate)
    sounds = [reference, line] if len(reference.samples) else [line]
    spectra = "".join(mel_figure(each) for each in sounds)
    said = figure(waves(speech), "The new line and when each word is spoken.")
    return f'{said}<div class="two">{spectra}</div>{likeness(reference, line)}'


def waves(speech: Speech) -> str:
    length = max(len(speech.samples) / speech.rate, 0.1)
    return "".join(
        chart.sound(
            speech.samples, speech.rate, speech.words, float(start), min(SECONDS, length), "waveform with words"
        )
        for start in np.arange(0, length, SECONDS)
    )


# ---- spectrograms


def mel_figure(recording: Recording) -> str:
    samples, rate = recording.samples, recording.rate
    picture = mel_picture(samples[: round(SECONDS * rate)], rate)
    shown = min(SECONDS, len(samples) / rate)
    size = f"width:{10 * shown:.1f}%;aspect-ratio:{0.4 * shown:.3f}"
    image = f'<img class="mel" style="{size}" src="{as_uri(picture, ".png")}" alt="mel spectrogram">'
    told = f"Mel spectrogram, {shown:.1f} s, 60 Hz to 8 kHz, lowest at the bottom; the brighter the louder, over 70 dB."
    return figure(image, told, recording.title)


def mel_picture(samples: F32, rate: int) -> U8:
    """Draws a mel spectrogram (80, n, 3): ten milliseconds a column, 70 dB from the loudest down."""
    sound = np.pad(media.resampled(samples, rate, MEL_RATE), (0, MEL_RATE // 100))
    power = librosa.feature.melspectrogram(
        y=sound, sr=MEL_RATE, n_fft=512, hop_length=MEL_RATE // 100, n_mels=80, fmin=60
    )
    level = librosa.power_to_db(power, ref=max(float(power.max()), 1e-10), top_db=70.0)[::-1]  # low at the bottom
    return in_colours(np.clip(np.rint((level + 70) * (255 / 70)), 0, 255).astype(np.uint8))


# ---- embeddings


def likeness(reference: Recording, line: Recording) -> str:
    """Draws both voices' embeddings, and where they lie among the bank's; "" where one has too little speech."""
    both = (reference, line)
    if any(clone.seconds_of_speech(each.samples, each.rate) < clone.ENOUGH for each in both):
        return ""
    if not assets.available("speaker_encoder"):
        return ""
    heard, made = (speaker.embed(clone.listened(each.samples, each.rate), each.rate) for each in both)
    bank = kokoro.load_voices()
    return f'<div class="two">{heat_maps(reference.title, heard, made)}{neighbours(bank, heard, made)}</div>'


def heat_maps(title: str, heard: F32, made: F32) -> str:
    """Draws two embeddings (256,) as squares in the same colours."""
    most = max(float(heard.max()), float(made.max()), 1e-6)
    squares = "".join(
        f'<figure><h3>{name}</h3><img class="heat" src="{as_uri(heat(values, most), ".png")}" alt="embedding"></figure>'
        for name, values in ((title, heard), ("The new line", made))
    )
    told = (
        f"Speaker embeddings, {len(heard)} numbers from 0 (dark) to {most:.2f} (light): where the same squares are "
        f"light, the voices are alike. Cosine {speaker.similarity(heard, made):.2f}."
    )
    return figure(f'<div class="pairs">{squares}</div>', told)


def heat(values: F32, most: float) -> U8:
    """(256,) -> (16, 16, 3), row by row."""
    return in_colours(np.clip(np.rint(values * (255 / most)), 0, 255).astype(np.uint8).reshape(SIDE, -1))


def neighbours(bank: kokoro.VoiceBank, heard: F32, made: F32) -> str:
    """Draws the two voices among the bank's in the plane that tells all of them apart best."""
    places, share = plane(np.vstack([bank.embeddings, heard, made]))  # (V + 2, 2)
    names = (*bank.names, "reference", "new line")
    kinds = ("other",) * len(bank.names) + ("src", "out")
    dots = [chart.Dot(*dot) for dot in zip(kinds, names, *places.T, strict=True)]
    nearest = int(np.argmax(bank.embeddings @ made))
    told = (
        f"The voices among the {len(bank.names)} that come with the project (a American, b British; f women, m men): "
        f"principal components, which hold {share:.0%} of the differences, so what looks near may still differ. The "
        f"new line’s cosine to its reference is {speaker.similarity(heard, made):.2f}, to the nearest of the others, "
        f"{bank.names[nearest]}, {speaker.similarity(bank.embeddings[nearest], made):.2f}."
    )
    return figure(chart.scatter(dots, "voices by likeness", 510, 360), told, "Like whom")


def plane(points: NDArray[np.floating]) -> tuple[NDArray[np.floating], float]:
    """(n, d) -> where they lie on their first two principal components (n, 2), and the share of variance there."""
    centred = points - points.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    return left[:, :2] * sizes[:2], float((sizes[:2] ** 2).sum() / max(float((sizes**2).sum()), 1e-12))
