"""Fine-tunes the refiner on one person, within a budget, and finds out on frames it never saw how far to trust it.

Resumes from its own checkpoint.  The same lessons, seed and steps give the same weights on the same machine.
"""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from retac_node.data import F32
from retac_node.models.lessons import Lessons, seen
from retac_node.models.refiner import Refiner

BATCH = 4
STEPS_A_MINUTE = 150  # what two cores manage; the budget is in steps, so that a result can be had again
PATIENCE = 2.0  # a slower machine stops at this many times the minutes asked
RATE = 1e-3
CHECKPOINT_SECONDS = 10.0
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
KEPT_SHARPNESS = 0.985  # of the drawing's: a correction that blurs more is not used


def batch_of(lessons: Lessons, rows: np.ndarray) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Gives input, own frames, their weights, truth and region for lessons (B,), floats in [0, 1]."""
    last = len(lessons.drawn) - 1
    before, after = lessons.drawn[np.maximum(rows - 1, 0)], lessons.drawn[np.minimum(rows + 1, last)]
    x = seen(before, lessons.drawn[rows], after, lessons.hidden[rows], lessons.spoken[rows])
    own = torch.from_numpy(lessons.own[lessons.rows[rows]]).float() / 255  # (B, k, 3, 32, 32)
    truth = torch.from_numpy(lessons.truth[rows]).float() / 255
    return x, own, torch.from_numpy(lessons.weight[rows]), truth, torch.from_numpy(lessons.spoken[rows]).float() / 255


def loss_of(net: Refiner, x: Tensor, own: Tensor, weight: Tensor, truth: Tensor, region: Tensor) -> Tensor:
    """Mean absolute error of colours and, twice as heavy, of gradients, inside the region."""
    result = x[:, 3:6] + net(x, own, weight) * region
    error = ((result - truth).abs() * region).sum() / (3 * region.sum() + 1)
    for axis in (2, 3):
        edge = (torch.diff(result, dim=axis) - torch.diff(truth, dim=axis)).abs() * region.narrow(
            axis, 1, region.shape[axis] - 1
        )
        error = error + 2 * edge.sum() / (3 * region.sum() + 1)
    return error


def train(
    net: Refiner,
    lessons: Lessons,
    train_rows: np.ndarray,
    minutes: float,
    seed: int,
    folder: Path,
    progress: Callable[[float, str], None],
    device: str,
) -> tuple[int, float]:
    """Trains for the steps that the minutes stand for, from the checkpoint in `folder` if there is one; gives steps, seconds."""
    total = round(minutes * STEPS_A_MINUTE)
    net.to(device).train()
    adam = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-4)
    done, spent = restore(folder, net, adam)
    began = saved = time.monotonic()
    while done < total and spent + time.monotonic() - began < 60 * minutes * PATIENCE:
        progress(done / max(total, 1), "learning the mouth")
        rows = np.random.default_rng((seed, done)).choice(
            train_rows, BATCH
        )  # the step alone decides: resuming changes nothing
        for group in adam.param_groups:
            group["lr"] = RATE * (1 - done / total) ** 0.5
        loss = loss_of(net, *(part.to(device) for part in batch_of(lessons, rows)))
        descend(net, adam, loss)
        done += 1
        if time.monotonic() - saved > CHECKPOINT_SECONDS:
            saved = time.monotonic()
            checkpoint(folder, net, adam, done, spent + saved - began)
    net.to("cpu").eval()
    return done, spent + time.monotonic() - began


def descend(net: torch.nn.Module, adam: torch.optim.Optimizer, loss: Tensor) -> None:
    """Takes one step down the loss, no longer than the gradient's norm allows."""
    adam.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    adam.step()


def judge(net: Refiner, lessons: Lessons, rows: np.ndarray) -> tuple[float, float, float, float]:
    """Finds the strength that helps most on lessons it was not trained on: strength, gain in dB, sharpness, drawing's dB."""
    errors, edges = np.zeros(len(STRENGTHS)), np.zeros(len(STRENGTHS))
    area = 0.0
    for start in range(0, len(rows), BATCH):
        x, own, weight, truth, region = batch_of(lessons, rows[start : start + BATCH])
        with torch.inference_mode():
            correction = net(x, own, weight) * region
        area += float(region.sum()) * 3
        for i, strength in enumerate(STRENGTHS):
            result = (x[:, 3:6] + strength * correction).clamp(0, 1)
            errors[i] += float(((result - truth).square() * region).sum())
            edges[i] += float((torch.diff(result, dim=2).abs() * region[:, :, 1:]).sum())
    decibels = -10 * np.log10(errors / max(area, 1) + 1e-12)
    sharp = edges / max(edges[0], 1e-9)
    best = max((i for i in range(len(STRENGTHS)) if sharp[i] >= KEPT_SHARPNESS), key=lambda i: decibels[i])
    return STRENGTHS[best], float(decibels[best] - decibels[0]), float(sharp[best]), float(decibels[0])


def correct(net: Refiner, x: Tensor, own: F32, weight: F32, strength: float) -> F32:
    """Gives corrections (B, 3, s, s), of full scale 1, at the strength found."""
    with torch.inference_mode():
        found = net(x, torch.from_numpy(own).float() / 255, torch.from_numpy(weight))
    return np.asarray((strength * found).numpy())


def checkpoint(folder: Path, net: Refiner, adam: torch.optim.Optimizer, done: int, spent: float) -> None:
    state = {f"net.{name}": value for name, value in net.state_dict().items()}
    for index, moments in adam.state_dict()["state"].items():
        state |= {f"adam.{index}.{name}": torch.as_tensor(value) for name, value in moments.items()}
    about = {"progress": json.dumps({"done": done, "spent": spent})}
    save_file(
        {name: value.detach().cpu().contiguous() for name, value in state.items()}, folder / "checkpoint.part", about
    )
    os.replace(folder / "checkpoint.part", folder / "checkpoint.safetensors")


def restore(folder: Path, net: Refiner, adam: torch.optim.Optimizer) -> tuple[int, float]:
    """Loads the checkpoint into net and optimiser, if there is one: steps done and seconds spent so far."""
    path = folder / "checkpoint.safetensors"
    if not path.exists():
        return 0, 0.0
    state = load_file(path)
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["progress"])
    net.load_state_dict({name[4:]: value for name, value in state.items() if name.startswith("net.")})
    held = adam.state_dict()
    for name, value in state.items():
        if name.startswith("adam."):
            _, index, moment = name.split(".", 2)
            held["state"].setdefault(int(index), {})[moment] = value
    adam.load_state_dict(held)
    return int(about["done"]), float(about["spent"])
