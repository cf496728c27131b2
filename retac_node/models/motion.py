"""Speech to face: cepstra and phonemes through convolutions and a bidirectional LSTM to expression and head pose.

After Yi et al. 2020 (section 3.2: MFCC -> LSTM -> expression and pose), with phonemes where they are known.  It never
sees a picture; what it gives is a general talker's motion, which the motion stage brings to the person's own range.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from retac_node.ops.features import FEATURES
from retac_node.ops.phonemes import PHONEMES

WEIGHTS = Path(__file__).parent.parent / "weights" / "motion.safetensors"


@dataclass(frozen=True)
class MotionConfig:
    units: tuple[str, ...]  # the expression units it drives, in order
    hidden: int = 128
    embedding: int = 32
    dropout: float = 0.3


class MotionNet(nn.Module):
    def __init__(self, config: MotionConfig) -> None:
        super().__init__()
        self.config = config
        self.phoneme = nn.Embedding(len(PHONEMES) + 1, config.embedding)  # the last is "unknown"
        self.near = nn.Sequential(
            nn.Conv1d(FEATURES + config.embedding, config.hidden, 5, padding=2),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Conv1d(config.hidden, config.hidden, 5, padding=2),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )
        self.far = nn.LSTM(config.hidden, config.hidden, batch_first=True, bidirectional=True)
        self.out = nn.Sequential(nn.Dropout(config.dropout), nn.Linear(2 * config.hidden, len(config.units) + 6))

    def forward(self, heard: Tensor, spoken: Tensor) -> tuple[Tensor, Tensor]:
        """heard (B, N, 26), spoken (B, N) -> units (B, N, K) and pose (B, N, 6), both relative to rest; 50 Hz."""
        x = torch.cat([heard, self.phoneme(spoken)], -1)  # (B, N, 26 + embedding)
        x = self.near(x.transpose(1, 2)).transpose(1, 2)  # (B, N, hidden)
        x, _ = self.far(x)  # (B, N, 2 * hidden)
        units, pose = self.out(x).split([len(self.config.units), 6], -1)
        return units, pose


def save_motion_net(path: Path, net: MotionNet) -> None:
    save_file(
        {name: value.half().contiguous() for name, value in net.state_dict().items()},
        path,
        {
            "units": json.dumps(net.config.units),
            "hidden": str(net.config.hidden),
            "embedding": str(net.config.embedding),
        },
    )


def load_motion_net(path: Path = WEIGHTS) -> MotionNet:
    """Reads the weights the project trained; evaluation mode, on the CPU."""
    with safe_open(path, "pt") as file:
        about = file.metadata()
    config = MotionConfig(tuple(json.loads(about["units"])), int(about["hidden"]), int(about["embedding"]))
    net = MotionNet(config)
    net.load_state_dict({name: value.float() for name, value in load_file(path).items()})
    return net.eval()
