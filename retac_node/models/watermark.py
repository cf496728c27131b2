"""Marks synthetic speech so that it can be told from a recording, and finds the mark.  Never alters recorded speech.

The networks and weights of Perth's implicit watermark (Resemble AI 2025): below 2 kHz a small residual is added to the
log-magnitude spectrogram where the sound masks it; the detector looks at three speeds, so that a change of tempo does
not hide the mark.
"""

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from retac_node import assets
from retac_node.data import F32
from retac_node.ops import sound

LOUDEST = 15.0  # dB that map to 1; QUIETEST maps to 0
QUIETEST = -180.0


@dataclass(frozen=True)
class Config:
    rate: int = 32_000  # Hz
    window: int = 2048  # samples
    hop: int = 320
    bins: int = 128  # of the spectrum's 1025, up to 2 kHz
    hidden: int = 256
    tempos: tuple[float, ...] = (1.25, 1.0, 0.75)


class Marker(nn.Module):
    """(B, bins + rest, n) normalised magnitudes -> the same with the mark."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.bins = config.bins
        self.layers = convolutions(config.bins, config.hidden, config.bins)

    def forward(self, magnitude: Tensor) -> Tensor:
        low = magnitude[:, : self.bins]
        marked = low + self.layers(low) * loud(magnitude)
        return torch.cat([marked, magnitude[:, self.bins :]], dim=1)


class Detector(nn.Module):
    """(B, bins + rest, n) normalised magnitudes -> (B,) about 1 where marked, 0 where not."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.slow_layers = convolutions(config.bins, config.hidden, 2)
        self.normal_layers = convolutions(config.bins, config.hidden, 2)
        self.fast_layers = convolutions(config.bins, config.hidden, 2)

    def forward(self, magnitude: Tensor) -> Tensor:
        low, mask = magnitude[:, : self.config.bins], loud(magnitude)
        votes = []
        heads = (self.slow_layers, self.normal_layers, self.fast_layers)
        for layers, tempo in zip(heads, self.config.tempos, strict=True):
            size = max(1, int(low.shape[2] * tempo))
            out = layers(functional.interpolate(low, size=size, mode="linear", align_corners=True))  # (B, 2, size)
            heard = functional.interpolate(mask, size=size, mode="nearest")
            votes.append((out * heard).sum(dim=2) / heard.sum(dim=2).clamp(min=1))  # (B, 2): trust, answer
        trust, answer = torch.stack(votes, dim=2).unbind(dim=1)  # (B, 3) each
        return (answer * trust.softmax(dim=1)).sum(dim=1)


class Perth(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.encoder = Marker(config)
        self.decoder = Detector(config)


class Layer(nn.Module):
    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


def convolutions(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    inner = [Activated(hidden, hidden, 7) for _ in range(5)]
    return nn.Sequential(Activated(inputs, hidden, 1), *inner, Layer(hidden, outputs, 1))


class Activated(Layer):
    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.conv(x))


def mark(samples: F32, rate: int) -> F32:
    """Gives the samples with the mark, (N,) at the same rate."""
    config = Config()
    magnitude, phase = spectrogram(samples, rate, config)
    with torch.inference_mode():
        decibels = perth().encoder(magnitude[None])[0] * (LOUDEST - QUIETEST) + QUIETEST
    spectrum = torch.polar(10 ** (decibels / 20), phase)
    window = torch.hann_window(config.window)
    length = -(-len(samples) * config.rate // rate)
    marked = torch.istft(spectrum, config.window, config.hop, window=window, length=length).numpy()
    return fitted(sound.resample(marked, config.rate, rate), len(samples))


def detect(samples: F32, rate: int) -> float:
    """Gives how surely the samples carry the mark, 0 to 1."""
    magnitude, _ = spectrogram(samples, rate, Config())
    with torch.inference_mode():
        return float(perth().decoder(magnitude[None])[0].clamp(0, 1))


def spectrogram(samples: F32, rate: int, config: Config) -> tuple[Tensor, Tensor]:
    """(N,) -> magnitude (1025, n), decibels scaled so that QUIETEST is 0 and LOUDEST 1, and phase (1025, n)."""
    signal = torch.from_numpy(sound.resample(samples, rate, config.rate))
    window = torch.hann_window(config.window)
    spectrum = torch.stft(signal, config.window, config.hop, window=window, return_complex=True, pad_mode="reflect")
    decibels = 20 * spectrum.abs().clamp(min=10 ** (QUIETEST / 20)).log10()
    return (decibels - QUIETEST) / (LOUDEST - QUIETEST), spectrum.angle()


def loud(magnitude: Tensor) -> Tensor:
    """(B, F, n) -> (B, 1, n): 1 where a frame's sum passes a twentieth of the loudest frame's."""
    total = magnitude.sum(dim=1, keepdim=True)
    return (total > total.amax(dim=2, keepdim=True) * 0.05).to(magnitude)


def fitted(samples: F32, length: int) -> F32:
    return np.pad(samples, (0, max(0, length - len(samples))))[:length].astype(np.float32)


@functools.cache
def perth() -> Perth:
    model = Perth(Config())
    weights = torch.load(assets.path("perth"), map_location="cpu", weights_only=True)["model"]
    model.load_state_dict({name: value for name, value in weights.items() if not name.startswith("ap.")})
    return model.eval()
