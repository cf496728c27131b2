"""Writes a mel spectrogram of a line of letters in the voice of a speaker embedding.  Never makes sound of it.

The synthesizer of SV2TTS (Jia et al. 2018, "Transfer Learning from Speaker Verification to Multispeaker Text-To-Speech
Synthesis"): a Tacotron (Wang et al. 2017) whose attention also sees where it has been (Chorowski et al. 2015) and whose
letters carry the speaker.  Names and sizes of its parts are those of the public checkpoints; the code is ours.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

LETTERS = "_~ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!'\"(),-.:;? "  # padding, the end, what is written
END = "~"
LOUDEST = 4.0  # a mel value; the quietest is its negative, 100 dB below
FEWEST = 10  # frames that a line has at least
STEPS = 25  # that are made between two words about how far it is


@dataclass(frozen=True)
class Config:
    letters: int = len(LETTERS)
    embedding: int = 512  # of a letter
    text: int = 256  # channels of the letters' network
    decoder: int = 128
    lstm: int = 1024
    speaker: int = 256
    mels: int = 80
    post: int = 512  # channels of the network after the decoder
    text_kernels: int = 5
    post_kernels: int = 5
    highways: int = 4
    dropped: float = 0.5  # of a prenet's values, when speaking too: without it the voice has no variety
    together: int = 20  # frames that the decoder can make in one step at most


@dataclass(frozen=True)
class Drawn:
    mel: Tensor  # (mels, frames) in [-LOUDEST, LOUDEST], 12.5 ms a frame
    attention: Tensor  # (steps, letters), each row sums to 1
    frames: int  # that one step makes
    ended: bool  # by itself


Track = Callable[[Iterable[int]], Iterable[int]]


class Prenet(nn.Module):
    def __init__(self, inside: int, middle: int, outside: int, dropped: float) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inside, middle), nn.Linear(middle, outside)
        self.kept = 1 - dropped

    def forward(self, x: Tensor, chance: torch.Generator) -> Tensor:
        for layer in (self.fc1, self.fc2):
            x = torch.relu(layer(x))
            x = x * torch.empty_like(x).bernoulli_(self.kept, generator=chance) / self.kept
        return x


class Convolution(nn.Module):
    """(B, inside, n) -> (B, outside, n), normalised after the nonlinearity."""

    def __init__(self, inside: int, outside: int, kernel: int, rectified: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv1d(inside, outside, kernel, padding=kernel // 2, bias=False)
        self.bnorm = nn.BatchNorm1d(outside)
        self.rectified = rectified

    def forward(self, x: Tensor) -> Tensor:
        made = self.conv(x)[..., : x.shape[-1]]  # an even kernel gives one too many
        return self.bnorm(torch.relu(made) if self.rectified else made)


class Highway(nn.Module):
    """Srivastava et al. 2015."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.W1, self.W2 = nn.Linear(size, size), nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        return torch.lerp(x, torch.relu(self.W1(x)), torch.sigmoid(self.W2(x)))


class Bank(nn.Module):
    """CBHG: convolutions of every width, highways and a recurrent net in both directions; (B, inside, n) -> (B, n, c)."""

    def __init__(self, kernels: int, inside: int, channels: int, middle: int, outside: int, highways: int) -> None:
        super().__init__()
        self.conv1d_bank = nn.ModuleList(Convolution(inside, channels, width + 1) for width in range(kernels))
        self.conv_project1 = Convolution(kernels * channels, middle, 3)
        self.conv_project2 = Convolution(middle, outside, 3, rectified=False)
        self.pre_highway = nn.Linear(outside, channels, bias=False) if outside != channels else nn.Identity()
        self.highways = nn.ModuleList(Highway(channels) for _ in range(highways))
        self.rnn = nn.GRU(channels, channels // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        wide = torch.cat([layer(x) for layer in self.conv1d_bank], dim=1)  # (B, kernels c, n)
        wide = nn.functional.max_pool1d(wide, 2, stride=1, padding=1)[..., : x.shape[-1]]
        deep = self.pre_highway((x + self.conv_project2(self.conv_project1(wide))).mT)  # (B, n, c)
        for layer in self.highways:
            deep = layer(deep)
        return self.rnn(deep)[0]


class Encoder(nn.Module):
    def __init__(self, c: Config) -> None:
        super().__init__()
        self.embedding = nn.Embedding(c.letters, c.embedding)
        self.pre_net = Prenet(c.embedding, c.text, c.text, c.dropped)
        self.cbhg = Bank(c.text_kernels, c.text, c.text, c.text, c.text, c.highways)

    def forward(self, letters: Tensor, speaker: Tensor, chance: torch.Generator) -> Tensor:
        """letters (n,), speaker (256,) -> (1, n, text + 256), the speaker beside every letter."""
        heard = self.cbhg(self.pre_net(self.embedding(letters)[None], chance).mT)
        return torch.cat([heard, speaker.expand(1, len(letters), -1)], dim=2)


class Attention(nn.Module):
    """Tells which letters are spoken, from what was said and from how long each was looked at before."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 32, 31, padding=15)
        self.L, self.W = nn.Linear(32, size, bias=False), nn.Linear(size, size)
        self.v = nn.Linear(size, 1, bias=False)

    def forward(self, letters: Tensor, query: Tensor, looked: Tensor) -> Tensor:
        """letters (1, n, size), query (1, size), looked (1, n) -> (1, n) that sums to 1."""
        place = self.L(self.conv(looked[:, None]).mT)  # (1, n, size)
        return self.v(torch.tanh(self.W(query)[:, None] + letters + place))[..., 0].softmax(dim=1)


@dataclass(frozen=True)
class State:
    """What the decoder remembers from one step to the next."""

    attended: Tensor  # (1, decoder)
    low: tuple[Tensor, Tensor]  # hidden and cell (1, lstm)
    high: tuple[Tensor, Tensor]
    context: Tensor  # (1, text + speaker), the letters looked at
    looked: Tensor  # (1, letters), how much so far


class Decoder(nn.Module):
    r: Tensor

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.config = c
        self.register_buffer("r", torch.tensor(2, dtype=torch.int))  # frames that one step makes
        self.prenet = Prenet(c.mels, 2 * c.decoder, 2 * c.decoder, c.dropped)
        self.attn_net = Attention(c.decoder)
        self.attn_rnn = nn.GRUCell(c.text + 2 * c.decoder + c.speaker, c.decoder)
        self.rnn_input = nn.Linear(c.text + c.decoder + c.speaker, c.lstm)
        self.res_rnn1, self.res_rnn2 = nn.LSTMCell(c.lstm, c.lstm), nn.LSTMCell(c.lstm, c.lstm)
        self.mel_proj = nn.Linear(c.lstm, c.mels * c.together, bias=False)
        self.stop_proj = nn.Linear(c.text + c.speaker + c.lstm, 1)

    def begin(self, letters: Tensor) -> State:
        def zeros(size: int) -> Tensor:
            return letters.new_zeros(1, size)

        pair = (zeros(self.config.lstm), zeros(self.config.lstm))
        return State(zeros(self.config.decoder), pair, pair, zeros(letters.shape[2]), zeros(letters.shape[1]))

    def forward(
        self, letters: Tensor, keys: Tensor, last: Tensor, state: State, chance: torch.Generator
    ) -> tuple[Tensor, Tensor, float, State]:
        """letters (1, n, text + speaker), keys (1, n, decoder), last frame (1, mels)
        -> frames (mels, r), where it looked (n,), how surely it has ended."""
        attended = self.attn_rnn(torch.cat([state.context, self.prenet(last, chance)], dim=1), state.attended)
        weights = self.attn_net(keys, attended, state.looked)  # (1, n)
        context = (weights[:, None] @ letters)[:, 0]
        x = self.rnn_input(torch.cat([context, attended], dim=1))
        low = self.res_rnn1(x, state.low)
        x = x + low[0]
        high = self.res_rnn2(x, state.high)
        x = x + high[0]
        frames = self.mel_proj(x).view(self.config.mels, self.config.together)[:, : int(self.r)]
        ended = torch.sigmoid(self.stop_proj(torch.cat([x, context], dim=1))).item()
        return frames, weights[0], ended, State(attended, low, high, context, state.looked + weights)


class Tacotron(nn.Module):
    step: Tensor
    stop_threshold: Tensor

    def __init__(self, c: Config) -> None:
        super().__init__()
        self.encoder = Encoder(c)
        self.encoder_proj = nn.Linear(c.text + c.speaker, c.decoder, bias=False)
        self.decoder = Decoder(c)
        self.postnet = Bank(c.post_kernels, c.mels, c.post, c.post, c.mels, c.highways)
        self.post_proj = nn.Linear(c.post, c.mels, bias=False)
        self.register_buffer("step", torch.zeros(1, dtype=torch.long))  # of its training
        self.register_buffer("stop_threshold", torch.tensor(-3.4))  # frames all below it are silence


def numbers(line: str) -> list[int]:
    """Writes a line as the model's numbers, with the end; what it does not know is left out."""
    return [LETTERS.index(letter) for letter in line.lower() if letter in LETTERS[2:]] + [LETTERS.index(END)]


@torch.inference_mode()
def draw(model: Tacotron, line: str, speaker: Tensor, most: int, chance: torch.Generator, track: Track) -> Drawn:
    """Draws the line's spectrogram, of `most` steps at most.  speaker: (256,) unit vector; chance: what is dropped."""
    device = speaker.device
    letters = model.encoder(torch.tensor(numbers(line), device=device), speaker, chance)  # (1, n, 512)
    keys, state = model.encoder_proj(letters), model.decoder.begin(letters)
    last = letters.new_zeros(1, model.decoder.config.mels)
    drawn: list[Tensor] = []
    looked: list[Tensor] = []
    ended = False
    for start in track(range(0, most, STEPS)):
        for _ in range(start, min(start + STEPS, most)):
            frames, weights, sure, state = model.decoder(letters, keys, last, state, chance)
            last = frames[:, -1][None]
            drawn.append(frames)
            looked.append(weights)
            ended = len(drawn) * frames.shape[1] > FEWEST and sure > 0.5
            if ended:
                break
        if ended:
            break
    mel = model.post_proj(model.postnet(torch.cat(drawn, dim=1)[None]))[0].T  # (mels, frames)
    return Drawn(mel.clamp(-LOUDEST, LOUDEST), torch.stack(looked), int(model.decoder.r), ended)
