"""The refiner: a small U-Net that corrects the drawn mouth, told by the person's own frames what it should look like.

After the memory-augmented generator of Yi et al. 2020 (section 3.4), made small: the memory is read by attention over the
person's frames, and what is read sets the mean and deviation of the features (AdaIN, Huang and Belongie 2017).  It gives a
correction and a gate, never a new picture, so it cannot lose detail that the drawing has.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

WEIGHTS = Path(__file__).parent.parent / "weights" / "refiner.safetensors"
SIDE = 128  # pixels: the mouth's box is brought to this size, and the correction back
OWN_SIDE = 32  # pixels of a memory frame as the refiner reads it
READ = 4  # frames of the memory that are read for each new one
SEEN = (
    13  # channels: the drawing before, now and after (9), the plate with the mouth hidden (3), where it is hidden (1)
)
LARGEST_CORRECTION = 0.3  # of full scale


@dataclass(frozen=True)
class RefinerConfig:
    width: int = 16  # channels at full size; doubled at each of two halvings
    code: int = 32  # numbers that a memory frame is read as


class Refiner(nn.Module):
    def __init__(self, config: RefinerConfig = RefinerConfig()) -> None:
        super().__init__()
        self.config = config
        w, code = config.width, config.code
        self.read = nn.Sequential(
            nn.Conv2d(3, w, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(w, 2 * w, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(2 * w, code, 3, 2, 1),
        )
        self.enter = Block(SEEN, w, code)
        self.down1 = Block(w, 2 * w, code)
        self.down2 = Block(2 * w, 4 * w, code)
        self.up1 = Block(4 * w + 2 * w, 2 * w, code)
        self.up0 = Block(2 * w + w, w, code)
        self.leave = nn.Conv2d(w, 4, 3, padding=1)
        nn.init.zeros_(self.leave.weight)  # untrained, it changes nothing
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, seen: Tensor, own: Tensor, weight: Tensor) -> Tensor:
        """seen (B, 13, s, s), own (B, k, 3, 32, 32), all in [0, 1]; weight (B, k) sums to 1 -> correction (B, 3, s, s)."""
        B, k = own.shape[:2]
        read = self.read(own.flatten(0, 1) - 0.5).mean((2, 3)).view(B, k, -1)  # (B, k, code)
        code = (read * weight[..., None]).sum(1)  # (B, code)
        full = self.enter(seen - 0.5, code)  # (B, w, s, s)
        half = self.down1(F.avg_pool2d(full, 2), code)  # (B, 2w, s/2, s/2)
        quarter = self.down2(F.avg_pool2d(half, 2), code)  # (B, 4w, s/4, s/4)
        half = self.up1(torch.cat([F.interpolate(quarter, scale_factor=2.0, mode="nearest"), half], 1), code)
        full = self.up0(torch.cat([F.interpolate(half, scale_factor=2.0, mode="nearest"), full], 1), code)
        out = self.leave(full)  # (B, 4, s, s)
        return LARGEST_CORRECTION * torch.tanh(out[:, :3]) * torch.sigmoid(out[:, 3:] + 1)


class Block(nn.Module):
    """Two convolutions, normalised and then scaled and shifted as the memory says."""

    def __init__(self, enters: int, leaves: int, code: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(enters, leaves, 3, padding=1)
        self.second = nn.Conv2d(leaves, leaves, 3, padding=1)
        self.norm = nn.GroupNorm(leaves // 8, leaves, affine=False)
        self.style = nn.Linear(code, 2 * leaves)
        nn.init.zeros_(self.style.weight)
        nn.init.zeros_(self.style.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        x = F.gelu(self.first(x))
        scale, shift = self.style(code)[..., None, None].chunk(2, 1)  # (B, leaves, 1, 1)
        return F.gelu(self.norm(self.second(x)) * (1 + scale) + shift)


def save_refiner(path: Path, net: Refiner) -> None:
    """Writes the weights alone, the same bytes each time: the format puts what is noted beside them in any order."""
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, path)


def load_refiner(path: Path = WEIGHTS) -> Refiner:
    held = load_file(path)
    net = Refiner(RefinerConfig(width=len(held["read.0.weight"]), code=len(held["read.4.weight"])))
    net.load_state_dict({name: value.float() for name, value in held.items()})
    return net.eval()
