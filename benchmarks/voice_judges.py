"""Listeners that judge spoken lines: words, speakers, naturalness, times.  Never used to make a voice.

Whisper base hears the words.  GE2E is the encoder that the voice is fitted with, the second encoder one that nothing is
fitted with.  DistillMOS (Stahl and Gamper 2025) is installed by hand, see docs/VOICE.md; where it is missing its column
is empty.  PocketSphinx says when each word is heard, from the sound and the text alone.
"""

import functools
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

import librosa
import numpy as np
import torch
from faster_whisper import WhisperModel
from onnxruntime import InferenceSession

from retac_node import assets
from retac_node.data import F32, Timed
from retac_node.errors import BadInput
from retac_node.models import aligner, speaker
from retac_node.ops import sound, text

RATE = 16_000  # Hz, of every judge
WINDOW = 80  # frames of 10 ms that the second encoder sees at once
LEVEL = 0.05  # root mean square of the speech it is given


@dataclass(frozen=True)
class Heard:
    words: int  # that should be heard
    errors: int  # edits that turn them into what was
    text: str


def hear(samples: F32, rate: int, spoken: str) -> Heard:
    """Counts the edits between what should be heard and what Whisper base writes down, over words without marks."""
    segments, _ = whisper().transcribe(
        sound.resample(samples, rate, RATE),
        language="en",
        beam_size=5,
        temperature=0.0,
        condition_on_previous_text=False,
    )
    found = " ".join(segment.text.strip() for segment in segments)
    wanted, got = ([word.replace("'", "") for word in text.words(line)] for line in (spoken, found))  # St. Andrews
    return Heard(len(wanted), edits(wanted, got), found)


def edits(wanted: list[str], found: list[str]) -> int:
    """Gives the smallest number of insertions, deletions and replacements of words.

    A word that one side writes as two counts as the same: "everyone", "every one".
    """
    table = np.zeros((len(wanted) + 1, len(found) + 1), int)
    table[:, 0], table[0] = np.arange(len(wanted) + 1), np.arange(len(found) + 1)
    for i, word in enumerate(wanted, 1):
        for j, other in enumerate(found, 1):
            best = [table[i - 1, j] + 1, table[i, j - 1] + 1, table[i - 1, j - 1] + (word != other)]
            if i > 1 and wanted[i - 2] + word == other:
                best.append(table[i - 2, j - 1])
            if j > 1 and found[j - 2] + other == word:
                best.append(table[i - 1, j - 2])
            table[i, j] = min(best)
    return int(table[-1, -1])


def second_embedding(samples: F32, rate: int) -> F32:
    """Gives a unit vector of the voice by an encoder that training never sees: log mel windows of 0.8 s, averaged.

    The powers are made as the encoder's own package makes them.
    """
    voice = sound.speech_only(sound.resample(samples, rate, RATE), RATE)
    voice = voice * (LEVEL / np.sqrt((voice**2).mean() + 1e-12))
    powers = librosa.feature.melspectrogram(
        y=voice, sr=RATE, n_fft=512, win_length=400, hop_length=160, window="hamming", center=False, n_mels=40
    )
    mels = np.log10(powers + 1e-10).T.astype(np.float32)  # (n, 40)
    mels = np.pad(mels, ((0, max(0, WINDOW - len(mels))), (0, 0)))
    windows = np.stack([mels[at : at + WINDOW] for at in range(0, len(mels) - WINDOW + 1, WINDOW // 2)])
    vectors = second_encoder().run(None, {"mel_window": windows})[0]  # (B, D)
    return unit(np.mean([unit(vector) for vector in vectors], axis=0))


def unit(vector: F32) -> F32:
    return vector / np.linalg.norm(vector)


def naturalness(samples: F32, rate: int) -> float:
    """Gives the opinion score from 1 to 5 that DistillMOS foresees; NaN where it is not installed."""
    judge = distillmos()
    if judge is None:
        return float("nan")
    with torch.inference_mode():
        return float(judge(torch.from_numpy(sound.resample(samples, rate, RATE))[None])[0, 0])


def times(samples: F32, rate: int, line: str) -> tuple[Timed, ...]:
    """Gives the words where forced alignment hears them; none where it is lost."""
    try:
        return aligner.align(samples, rate, line)[0]
    except BadInput:
        return ()


@functools.cache
def whisper() -> WhisperModel:
    return WhisperModel(str(assets.path("whisper_base")), device="cpu", compute_type="int8", cpu_threads=1)


@functools.cache
def second_encoder() -> InferenceSession:
    return InferenceSession(str(assets.path("speaker_judge")), providers=["CPUExecutionProvider"])


@functools.cache
def distillmos() -> Callable | None:
    if importlib.util.find_spec("distillmos") is None:
        return None
    if importlib.util.find_spec("torchaudio") is None:  # the package needs it for its command line alone
        sys.modules["torchaudio"] = ModuleType("torchaudio")
    module = importlib.import_module("distillmos")
    return module.ConvTransformerSQAModel().eval()


ENCODERS: dict[str, Callable[[F32, int], F32]] = {"GE2E": speaker.embed, "second": second_embedding}
