"""Tells who speaks: one unit vector per voice, near for the same person.  Never tells what is said.

The GE2E speaker encoder (Wan et al. 2018, "Generalized End-to-End Loss for Speaker Verification") as SV2TTS uses it
(Jia et al. 2018): 40 mel powers a 10 ms frame at 16 kHz, three LSTM layers, windows of 1.6 s averaged.
"""

import functools
from dataclasses import dataclass

import librosa
import numpy as np
import torch
from torch import Tensor, nn

from retac_node import assets
from retac_node.data import F32
from retac_node.ops import sound

RATE = 16_000
LEVEL = -30.0  # dB; quieter speech is raised to it


@dataclass(frozen=True)
class Config:
    mels: int = 40
    hidden: int = 256
    layers: int = 3
    window: int = 160  # frames of 10 ms
    step: int = 77  # frames between windows


class SpeakerEncoder(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.lstm = nn.LSTM(config.mels, config.hidden, config.layers, batch_first=True)
        self.linear = nn.Linear(config.hidden, config.hidden)

    def forward(self, mels: Tensor) -> Tensor:
        """(B, window, mels) power -> (B, hidden) of length 1, none below 0."""
        _, (hidden, _) = self.lstm(mels)  # hidden: (layers, B, hidden)
        return nn.functional.normalize(torch.relu(self.linear(hidden[-1])), dim=1)


def embed(samples: F32, rate: int) -> F32:
    """Gives the (256,) unit vector of the voice in the samples; silence is left out, windows are averaged."""
    return average(embed_windows(samples, rate))


def average(vectors: F32) -> F32:
    """(B, 256) -> (256,) of unit length."""
    mean = vectors.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def embed_windows(samples: F32, rate: int) -> F32:
    """Gives the (B, 256) unit vectors of windows of 1.6 s of the speech in the samples, every 0.77 s."""
    config = Config()
    whole = sound.resample(samples, rate, RATE)
    voice = sound.speech_only(whole, RATE)
    voice = voice if len(voice) else whole
    voice = voice * max(1.0, 10 ** (LEVEL / 20) / float(np.sqrt((voice**2).mean() + 1e-12)))
    mels = mel_powers(np.pad(voice, (0, max(0, config.window * 160 - len(voice)))), config.mels)  # (n, 40)
    starts = range(0, len(mels) - config.window + 1, config.step)
    windows = np.stack([mels[start : start + config.window] for start in starts])  # (B, window, 40)
    with torch.inference_mode():
        return encoder()(torch.from_numpy(windows)).numpy()  # (B, 256)


def similarity(one: F32, other: F32) -> float:
    """Cosine of two embeddings: 1 for the same voice, about 0.5 to 0.65 for different people."""
    return float(one @ other)


def mel_powers(samples: F32, mels: int) -> F32:
    """(N,) at RATE -> (N / 160 + 1, mels): Slaney's mel filters on the power of 25 ms windows, not in decibels."""
    powers = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=400, hop_length=160, n_mels=mels)
    return powers.T.astype(np.float32)


@functools.cache
def encoder() -> SpeakerEncoder:
    model = SpeakerEncoder(Config())
    weights = torch.load(assets.path("speaker_encoder"), map_location="cpu", weights_only=True)["model_state"]
    model.load_state_dict({name: value for name, value in weights.items() if name.startswith(("lstm.", "linear."))})
    return model.eval()
