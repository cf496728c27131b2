"""Trains the refiner's general weights on several people's clips, and judges them on people it has not seen.

python -m retac_node.train.refiner --data CLIP ... --held-out CLIP ... --work FOLDER [-o OUT.safetensors]
"""

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from retac_shared.options import IngestOptions, TrackOptions

from retac_node.data import Adapted
from retac_node.engine.stage import Context
from retac_node.models.apprentice import BATCH, batch_of, descend, judge, loss_of
from retac_node.models.head import load_head
from retac_node.models.lessons import APART_SECONDS, Lessons, asks_for, choose_others, prepare
from retac_node.models.memory import open_memory, worth_holding
from retac_node.models.mouthbox import mouth_box
from retac_node.models.puppet import rig
from retac_node.models.refiner import WEIGHTS, Refiner, save_refiner
from retac_node.stages import adapt, ingest, track

CANDIDATES = 3
RATE = 2e-3
SECONDS = 12.0  # of each clip


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--data", type=Path, nargs="+", required=True)
    asked.add_argument("--held-out", type=Path, nargs="+", default=[])
    asked.add_argument("--work", type=Path, required=True, help="folder for tracks and drawings")
    asked.add_argument("--steps", type=int, default=4000)
    asked.add_argument("-o", "--out", type=Path, default=WEIGHTS)
    args = asked.parse_args()
    torch.manual_seed(0)
    lessons = [lessons_of(video, args.work) for video in args.data]
    net = train(lessons, args.steps)
    for video in (*args.held_out, *args.data):
        held = lessons_of(video, args.work)
        strength, gain, sharp, drawn = judge(net, held, np.arange(len(held.drawn)))
        seen = "seen" if video in args.data else "not seen"
        print(
            f"{video.stem} ({seen}): {drawn:.2f} dB drawn, {gain:+.2f} dB at strength {strength}, sharpness {sharp:.3f}"
        )
    save_refiner(args.out, net)


def lessons_of(video: Path, work: Path) -> Lessons:
    """Draws a clip's frames from its other frames; kept in `work`, since it takes longest."""
    kept = work / f"{video.stem}.lessons.npz"
    if not kept.exists():
        draw_lessons(video, work / video.stem, kept)
    with np.load(kept, allow_pickle=False) as file:
        return Lessons(**{name: file[name] for name in file.files})


def draw_lessons(video: Path, folder: Path, kept: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(video, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    ctx = Context(folder, "cpu", {digest: video}, warn=print)
    clip = ingest.run(ctx, IngestOptions(digest))
    found = track.run(ctx, TrackOptions(), clip)
    frames = worth_holding(found, float(clip.fps), SECONDS)
    adapt.remember(ctx, clip, found, frames)
    body = rig(load_head())
    memory = open_memory(body, found, Adapted({}, str(folder), {}))
    rows = np.arange(len(frames), dtype=np.int32)
    choice = choose_others(memory, rows, np.ones(len(rows), bool), round(APART_SECONDS * float(clip.fps)))
    asks = asks_for(body, found, memory, rows, choice, CANDIDATES)
    lessons = prepare(body, mouth_box(body, found), memory, asks, choice)
    with open(kept.with_suffix(".part"), "wb") as file:
        np.savez(file, allow_pickle=False, **vars(lessons))
    os.replace(kept.with_suffix(".part"), kept)
    print(f"{video.stem}: {len(rows)} lessons", flush=True)


def train(people: list[Lessons], steps: int) -> Refiner:
    """Each step takes a person at random and a batch of their frames."""
    net = Refiner()
    net.train()
    adam = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, steps)
    random = np.random.default_rng(0)
    for step in range(steps):
        lessons = people[random.integers(len(people))]
        loss = loss_of(net, *batch_of(lessons, random.choice(len(lessons.drawn), BATCH)))
        descend(net, adam, loss)
        schedule.step()
        if step % 200 == 0:
            print(f"step {step}: {loss.item():.4f}", flush=True)
    return net.eval()


if __name__ == "__main__":
    main()
