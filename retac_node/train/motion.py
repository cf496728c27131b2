"""Trains the motion network on talking clips, and says how it stands against ridge regression on the same windows.

python -m retac_node.train.motion --data CLIPS --work FOLDER [-o retac_node/weights/motion.safetensors]
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from retac_node.data import F32
from retac_node.models.apprentice import descend
from retac_node.models.head import load_head
from retac_node.models.landmarks3d import INNER_LIPS, LIPS, at_landmarks
from retac_node.models.motion import WEIGHTS, MotionConfig, MotionNet, save_motion_net
from retac_node.ops.features import UNKNOWN
from retac_node.ops.solve import EYE_DISTANCE
from retac_node.train.talking import Sentence, gather, sentences

MOUTH = ("jaw", "mouth", "cheekPuff", "tongueOut", "extra")  # prefixes of the units that speech rules
HELD_OUT = 30  # sentences
BATCH = 16
STEPS = 2400
RATE = 2e-3
DEAF = 0.4  # how often phonemes are hidden in training, so that sound alone will do
MUTE = 0.15  # how often the sound is hidden, so that phonemes alone will do: synthetic voices sound different
LISP = 0.5  # deviations of noise on the sound
VELOCITY = 2.0  # weight of the loss on differences in time
REACH = 10  # steps: ridge regression sees +-200 ms


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, required=True, help="folder of videos of one speaker")
    asked.add_argument("--work", type=Path, required=True, help="folder for landmarks")
    asked.add_argument("--most", type=int, default=400, help="how many sentences to use")
    asked.add_argument("-o", "--out", type=Path, default=WEIGHTS)
    args = asked.parse_args()
    torch.manual_seed(0)
    videos = sorted(args.data.glob("*.mp4"))
    videos = [videos[i] for i in np.random.default_rng(0).permutation(len(videos))[: args.most]]
    found = sentences(gather(videos, args.work, print), args.work, print)
    held, learnt = found[:HELD_OUT], found[HELD_OUT:]
    print(f"{len(learnt)} sentences to learn, {len(held)} held out")
    net = train(learnt)
    print(f"ridge on aperture: {ridge(learnt, held):.3f}")
    for hide, what in (("", "sound and phonemes"), ("phonemes", "sound"), ("sound", "phonemes")):
        print(f"network, {what}: {judged(net, held, hide):.3f}")
    save_motion_net(args.out, net)


def train(learnt: list[Sentence]) -> MotionNet:
    names = load_head().expression_names
    units = tuple(name for name in names if name.startswith(MOUTH))
    columns = [names.index(unit) for unit in units]
    net = MotionNet(MotionConfig(units))
    metric = lip_metric(columns)
    rest = np.concatenate([s.expression[:, columns] for s in learnt]).mean(0)
    swing = np.concatenate([s.pose - s.pose.mean(0) for s in learnt]).std(0)
    adam = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, STEPS)
    random = np.random.default_rng(0)
    steps = min(len(s.spoken) for s in learnt)
    for step in range(STEPS):
        batch = [learnt[i] for i in random.choice(len(learnt), BATCH)]
        sound = torch.from_numpy(np.stack([s.heard[:steps] for s in batch]))  # (B, N, 26)
        said = torch.from_numpy(np.stack([s.spoken[:steps] for s in batch]))  # (B, N)
        sound, said = disturbed(sound, said)
        truth = torch.from_numpy(np.stack([s.expression[:steps, columns] - rest for s in batch])).float()
        moves = torch.from_numpy(np.stack([(s.pose[:steps] - s.pose.mean(0)) / swing for s in batch])).float()
        made, pose = net(sound, said)
        loss = distance(made - truth, metric) + VELOCITY * distance(torch.diff(made - truth, dim=1), metric)
        loss = loss + 0.02 * (made - truth).square().mean() + 0.01 * (pose - moves).square().mean()
        descend(net, adam, loss)
        schedule.step()
        if step % 200 == 0:
            print(f"step {step}: {loss.item():.4f}", flush=True)
    return net.eval()


def disturbed(sound: Tensor, said: Tensor) -> tuple[Tensor, Tensor]:
    """Hides phonemes or sound of some sentences and adds noise to the rest; levels and tilts differ between voices."""
    B = len(sound)
    deaf, mute = torch.rand(B, 1) < DEAF, torch.rand(B, 1, 1) < MUTE
    tilt = 1 + 0.2 * torch.randn(B, 1, sound.shape[2])
    sound = (sound * tilt + LISP * torch.randn_like(sound) * torch.rand(B, 1, 1)) * ~mute
    return sound, torch.where(deaf & ~mute[..., 0], UNKNOWN, said)


def lip_metric(columns: list[int]) -> Tensor:
    """Gives (K, 3 * 40): how far each unit moves the lips, in tenths of the eye distance.

    The inner lips count twice.
    """
    head = load_head()
    basis = at_landmarks(head, head.expression)[columns] / EYE_DISTANCE * 10
    weight = np.array([2.0 if landmark in INNER_LIPS else 1.0 for landmark in LIPS], np.float32)
    return torch.from_numpy((basis[:, LIPS] * np.sqrt(weight)[:, None]).reshape(len(columns), -1))


def distance(error: Tensor, metric: Tensor) -> Tensor:
    return (error @ metric).square().mean()


def judged(net: MotionNet, held: list[Sentence], hide: str) -> float:
    """Gives the pooled correlation of the predicted lip aperture with the landmarks' on held-out sentences."""
    head = load_head()
    columns = [head.expression_names.index(unit) for unit in net.config.units]
    lips = at_landmarks(head, head.expression)[columns]
    gap = lips[:, 14] - lips[:, 13]  # (K, 3) opening for each unit
    made = []
    for sentence in held:
        sound = torch.from_numpy(sentence.heard * (hide != "sound"))[None]
        said = torch.from_numpy(np.full_like(sentence.spoken, UNKNOWN) if hide == "phonemes" else sentence.spoken)[None]
        with torch.inference_mode():
            units = net(sound, said)[0][0].numpy()
        made.append(units @ gap[:, 1])
    return pooled(made, [sentence.aperture for sentence in held])


def ridge(learnt: list[Sentence], held: list[Sentence]) -> float:
    """Fits aperture from windows of the same cepstra by ridge regression, the best of several strengths, and judges it."""
    x = np.concatenate([windows(s.heard) for s in learnt])
    y = np.concatenate([s.aperture - s.aperture.mean() for s in learnt])
    left, right = x.T @ x, x.T @ y
    scores = []
    for strength in (1e1, 1e2, 1e3, 1e4, 1e5):
        weights = np.linalg.solve(left + strength * np.eye(len(left)), right)
        scores.append(pooled([windows(s.heard) @ weights for s in held], [s.aperture for s in held]))
    return max(scores)


def windows(heard: F32) -> F32:
    padded = np.pad(heard, ((REACH, REACH), (0, 0)), mode="edge")
    return np.concatenate([padded[k : k + len(heard)] for k in range(2 * REACH + 1)], 1).astype(np.float64)


def pooled(made: list[F32], truth: list[F32]) -> float:
    a = np.concatenate([m - m.mean() for m in made])
    b = np.concatenate([t - t.mean() for t in truth])
    return float(np.corrcoef(a, b)[0, 1])


if __name__ == "__main__":
    main()
