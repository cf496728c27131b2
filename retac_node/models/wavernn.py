"""Makes sound of a mel spectrogram, sample by sample.  Never knows what is said, or by whom.

WaveRNN (Kalchbrenner et al. 2018) in the form of the public SV2TTS checkpoints: 9 bits by the mu law, 16 kHz, with
long sounds cut into parts that are made side by side and joined.  Names and sizes of its parts are those of the
checkpoints; the code is ours.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor, nn

from retac_node.data import F32

RATE = 16_000  # Hz
EMPHASIS = 0.97  # that the model's sound has, and speech has not
PART = 8_000  # samples made in a row; side by side with the other parts
OVERLAP = 800  # samples of two parts that are the same: half to get going, half to be blended
TOLD = 200  # samples between two words about how far it is


@dataclass(frozen=True)
class Config:
    mels: int = 80
    scales: tuple[int, ...] = (5, 5, 8)  # together the samples of a frame
    pad: int = 2  # frames that are seen on both sides
    channels: int = 128
    aux: int = 128
    blocks: int = 10
    size: int = 512
    classes: int = 512  # of a sample's value


Track = Callable[[Iterable[int]], Iterable[int]]


class Block(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(size, size, 1, bias=False), nn.Conv1d(size, size, 1, bias=False)
        self.batch_norm1, self.batch_norm2 = nn.BatchNorm1d(size), nn.BatchNorm1d(size)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.batch_norm2(self.conv2(torch.relu(self.batch_norm1(self.conv1(x)))))


class Surroundings(nn.Module):
    """(1, mels, n + 2 pad) -> (1, aux, n): what the frames around each are like."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.conv_in = nn.Conv1d(c.mels, c.channels, 2 * c.pad + 1, bias=False)
        self.batch_norm = nn.BatchNorm1d(c.channels)
        self.layers = nn.ModuleList(Block(c.channels) for _ in range(c.blocks))
        self.conv_out = nn.Conv1d(c.channels, c.aux, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.batch_norm(self.conv_in(x)))
        for layer in self.layers:
            x = layer(x)
        return self.conv_out(x)


class Upsample(nn.Module):
    """Frames -> samples: repeated, and smoothed after each repetition."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.config = c
        self.resnet = Surroundings(c)
        smooth = [nn.Conv2d(1, 1, (1, 2 * scale + 1), padding=(0, scale), bias=False) for scale in c.scales]
        self.up_layers = nn.ModuleList(layer for each in smooth for layer in (nn.Identity(), each))

    def forward(self, mel: Tensor) -> tuple[Tensor, Tensor]:
        """(1, mels, n) -> (N, mels), (N, aux)."""
        c = self.config
        whole = prod(c.scales)
        padded = nn.functional.pad(mel, (c.pad, c.pad))
        around = self.resnet(padded)[0].repeat_interleave(whole, dim=1)  # (aux, N)
        x = padded[:, None]  # (1, 1, mels, n)
        for scale, smooth in zip(c.scales, self.up_layers[1::2], strict=True):
            x = smooth(x.repeat_interleave(scale, dim=3))
        return x[0, 0, :, c.pad * whole : -c.pad * whole].T, around.T


class WaveRNN(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        quarter = c.aux // 4
        self.upsample = Upsample(c)
        self.I = nn.Linear(c.mels + quarter + 1, c.size)
        self.rnn1 = nn.GRU(c.size, c.size, batch_first=True)
        self.rnn2 = nn.GRU(c.size + quarter, c.size, batch_first=True)
        self.fc1 = nn.Linear(c.size + quarter, c.size)
        self.fc2 = nn.Linear(c.size + quarter, c.size)
        self.fc3 = nn.Linear(c.size, c.classes)
        self.step = nn.Parameter(torch.zeros(1, dtype=torch.long), requires_grad=False)  # of its training

    def forward(
        self, last: Tensor, mel: Tensor, aux: tuple[Tensor, ...], memory: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """One sample of B parts: last (B, 1), mel (B, mels), aux 4 x (B, aux / 4), memory 2 x (B, size)
        -> scores (B, classes) and the memory."""
        x = self.I(torch.cat([last, mel, aux[0]], dim=1))
        first = stepped(self.rnn1, x, memory[0])
        x = x + first
        second = stepped(self.rnn2, torch.cat([x, aux[1]], dim=1), memory[1])
        x = x + second
        x = torch.relu(self.fc1(torch.cat([x, aux[2]], dim=1)))
        x = torch.relu(self.fc2(torch.cat([x, aux[3]], dim=1)))
        return self.fc3(x), (first, second)


def stepped(rnn: nn.GRU, x: Tensor, memory: Tensor) -> Tensor:
    """One step of the net without what it takes to run over a sequence."""
    return torch.gru_cell(x, memory, *rnn.all_weights[0])


@torch.inference_mode()
def sound_of(model: WaveRNN, mel: Tensor, chance: torch.Generator, track: Track) -> F32:
    """Makes (N,) samples at RATE of a mel spectrogram (mels, n) in [-1, 1], 200 a frame."""
    mels, aux = model.upsample(mel[None])  # (N, mels), (N, aux)
    count, classes = len(mels), model.fc3.out_features
    mels, aux = parts(mels), parts(aux)  # (B, part, mels), (B, part, aux)
    quarters = aux.chunk(4, dim=2)
    last = mels.new_zeros(len(mels), 1)
    memory = (mels.new_zeros(len(mels), model.rnn1.hidden_size),) * 2
    made: list[Tensor] = []
    for start in track(range(0, mels.shape[1], TOLD)):
        for i in range(start, min(start + TOLD, mels.shape[1])):
            scores, memory = model(last, mels[:, i], tuple(each[:, i] for each in quarters), memory)
            chosen = torch.multinomial(scores.softmax(dim=1), 1, generator=chance)  # (B, 1)
            last = 2 * chosen / (classes - 1) - 1
            made.append(last)
    sound = joined(expanded(torch.cat(made, dim=1).cpu().numpy(), classes))[:count]
    return lfilter([1.0], [1.0, -EMPHASIS], sound).astype(np.float32)


def parts(x: Tensor) -> Tensor:
    """Cuts (N, c) into overlapping parts (B, length, c), the last filled with zeros; a short one stays whole."""
    if len(x) <= PART + 2 * OVERLAP:
        return x[None]
    step = PART + OVERLAP
    count = -(-(len(x) - OVERLAP) // step)
    padded = nn.functional.pad(x, (0, 0, 0, count * step + OVERLAP - len(x)))
    return padded.unfold(0, step + OVERLAP, step).mT.contiguous()


def joined(made: F32) -> F32:
    """Blends parts (B, length) over the second half of their overlap, with equal power; (N,)."""
    if len(made) == 1:
        return made[0]
    step = made.shape[1] - OVERLAP
    out = np.zeros(len(made) * step + OVERLAP, np.float32)
    half = OVERLAP // 2
    turn = np.concatenate([np.zeros(half), np.linspace(0, np.pi / 2, OVERLAP - half)])
    for n, part in enumerate(made):
        gain = np.ones(len(part), np.float32)
        if n > 0:
            gain[:OVERLAP] = np.sin(turn)
        if n + 1 < len(made):
            gain[-OVERLAP:] = np.cos(turn)
        out[n * step : n * step + len(part)] += gain * part
    return out


def expanded(values: F32, classes: int) -> F32:
    """Undoes the mu law; values in [-1, 1]."""
    return (np.sign(values) * (classes ** np.abs(values) - 1) / (classes - 1)).astype(np.float32)
