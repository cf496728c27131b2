"""Adapt: everything learnt about this person from the head of their clip.  Never sees the new line.

The memory (their own frames), the texture of their head, their manner of speaking, and the refiner's fine-tune, which is
judged on a slice of the clip that it was not trained on and is used only as far as it helps there.
"""

import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from retac_shared.options import AdaptOptions

from retac_node import media
from retac_node.data import F32, Adapted, Clip, FaceTrack
from retac_node.engine.stage import Context
from retac_node.models.apprentice import judge, train
from retac_node.models.head import load_head
from retac_node.models.landmarks3d import LIPS
from retac_node.models.lessons import APART_SECONDS, Lessons, asks_for, choose_others, prepare
from retac_node.models.manner import learn, lip_gap, predict, save_manner, seen_to_speak
from retac_node.models.memory import COVERED_COST, open_memory, sharpness, texture, window, worth_holding
from retac_node.models.motion import load_motion_net
from retac_node.models.mouthbox import mouth_box
from retac_node.models.occlusion import COARSE, in_front, share_within
from retac_node.models.puppet import Rig, rig, source_places
from retac_node.models.refiner import Refiner, load_refiner, save_refiner
from retac_node.models.segmenter import Segmenter
from retac_node.ops.sound import speaking
from retac_node.ops.window import into_window

HELD_OUT = 0.15  # of the frames, the last ones
CANDIDATES = 3  # as the render stage mixes


def run(ctx: Context, options: AdaptOptions, clip: Clip, track: FaceTrack) -> Adapted:
    torch.manual_seed(options.seed)
    body = rig(load_head(), ctx.device)
    fps = float(clip.fps)
    frames = worth_holding(track, fps, options.learn_seconds)
    remember(ctx, clip, track, frames)
    paint(ctx.folder, body, track)
    notes = {"frames": float(len(frames)), "speech match": speak_like(ctx, clip, track, frames)}
    here = Adapted({}, str(ctx.folder), {})
    net = load_refiner()
    if options.minutes > 0:
        lessons, train_rows, held_rows = study(ctx, body, track, here, frames, round(APART_SECONDS * fps))
        steps, seconds = train(
            net, lessons, train_rows, options.minutes, options.seed, ctx.folder, ctx.progress, ctx.device
        )
        strength, gain, sharp, drawn = judge(net, lessons, held_rows)
        notes |= {"refiner steps": float(steps), "refiner seconds": round(seconds, 1), "refiner strength": strength}
        notes |= {"held-out drawing dB": drawn, "held-out gain dB": gain, "held-out sharpness": sharp}
    else:
        notes |= {"refiner steps": 0.0, "refiner strength": 0.0}
    store(net, ctx.folder)
    for scratch in ("checkpoint.safetensors", "lessons.npz"):
        (ctx.folder / scratch).unlink(missing_ok=True)
    return Adapted(listed(ctx.folder), str(ctx.folder), notes)


def remember(ctx: Context, clip: Clip, track: FaceTrack, frames: NDArray[np.int32]) -> None:
    """Writes the memory: memory.npy (M, h, w, 3) u8, and memory.npz: frame numbers, sharpness, what is hidden."""
    if (ctx.folder / "memory.npz").exists():
        return
    size = track.crop_size
    crops = np.lib.format.open_memmap(
        ctx.folder / "memory.npy", mode="w+", dtype=np.uint8, shape=(len(frames), size, size, 3)
    )
    lips = into_window(track.landmarks[frames][:, LIPS], track.crop_from_frame[frames])[..., :2]
    sharp, covered = np.zeros(len(frames), np.float32), np.zeros(len(frames), np.float32)
    hidden = np.zeros((len(frames), size // COARSE, size // COARSE), np.uint8)
    body = rig(load_head(), ctx.device)
    at = source_places(body, track, frames)
    segmenter = Segmenter() if Segmenter.available() else None
    plates = media.frames_at(ctx.source(clip.sha256), clip, frames)
    for n, plate in enumerate(ctx.track(plates, len(frames), "remembering the person")):
        crops[n] = window(plate, track, int(frames[n]))
        sharp[n] = sharpness(crops[n], lips[n])
        if segmenter is not None:
            hidden[n] = in_front(segmenter, body, crops[n], at[n])
            covered[n] = share_within(hidden[n], lips[n])
    crops.flush()
    with open(ctx.folder / "memory.part", "wb") as file:
        np.savez_compressed(file, frames=frames, sharpness=sharp, covered=covered, hidden=hidden)
    os.replace(ctx.folder / "memory.part", ctx.folder / "memory.npz")


def paint(folder: Path, body: Rig, track: FaceTrack) -> None:
    """Writes texture.npz: the head's albedo (512, 512, 3) and how well it is known (512, 512), both u8."""
    if (folder / "texture.npz").exists():
        return
    albedo, confidence = texture(body, track, open_memory(body, track, Adapted({}, str(folder), {})))
    with open(folder / "texture.part", "wb") as file:
        np.savez(file, albedo=albedo, confidence=confidence)
    os.replace(folder / "texture.part", folder / "texture.npz")


def speak_like(ctx: Context, clip: Clip, track: FaceTrack, frames: NDArray[np.int32]) -> float:
    """Learns the person's manner from the clip's own sound; gives how well sound and mouth agree."""
    net, names = load_motion_net(), load_head().expression_names
    columns = [names.index(unit) for unit in net.config.units]
    count = int(frames[-1]) + 1
    sound = clip.audio[: round(count / float(clip.fps) * clip.audio_rate)]
    if len(sound) == 0:
        predicted: F32 = np.zeros((count, len(columns)), np.float32)
    else:
        predicted = predict(net, sound, clip.audio_rate, (), float(clip.fps), count)[0]
    speech = float(speaking(sound, clip.audio_rate).mean()) * count / float(clip.fps) if len(sound) else 0.0
    solved = track.expression[frames][:, columns]
    gap = lip_gap(load_head(), net.config.units)
    if not seen_to_speak(solved @ gap, speech):
        ctx.warn(
            f"{clip.name} does not show the person speaking, so their mouth will open as most people's do; "
            "a clip in which they talk would give their own manner"
        )
    manner = learn(predicted[frames], solved, gap, net.config.units, track, frames, float(clip.fps), speech)
    save_manner(ctx.folder / "manner.npz", manner)
    return manner.match


def study(
    ctx: Context, body: Rig, track: FaceTrack, here: Adapted, frames: NDArray[np.int32], apart: int
) -> tuple[Lessons, NDArray[np.int64], NDArray[np.int64]]:
    """Draws every remembered frame from others; held-out ones only from frames that are trained on."""
    rows = np.arange(len(frames))
    memory = open_memory(body, track, here)
    held = rows >= round(len(rows) * (1 - HELD_OUT))
    inside = rows[~held][
        : max(1, int((~held).sum()) - apart)
    ]  # a gap, so that no neighbour of the slice is learnt from
    clear = memory.cost < COVERED_COST  # a hand before the mouth is nothing to learn
    path = ctx.folder / "lessons.npz"
    if path.exists():
        with np.load(path, allow_pickle=False) as file:
            lessons = Lessons(**{name: file[name] for name in file.files})
            return lessons, inside[clear[inside]], rows[held & clear]
    choice = choose_others(memory, rows.astype(np.int32), ~held, apart)
    asks = asks_for(body, track, memory, rows.astype(np.int32), choice, CANDIDATES)
    lessons = prepare(body, mouth_box(body, track), memory, ctx.track(asks, len(rows), "drawing what is known"), choice)
    with open(ctx.folder / "lessons.part", "wb") as file:
        np.savez(file, **vars(lessons))
    os.replace(ctx.folder / "lessons.part", path)
    return lessons, inside[clear[inside]], rows[held & clear]


def store(net: Refiner, folder: Path) -> None:
    save_refiner(folder / "refiner.part", net)
    os.replace(folder / "refiner.part", folder / "refiner.safetensors")


def listed(folder: Path) -> dict[str, str]:
    """Hashes the files that were learnt."""

    found = {}
    for path in sorted(folder.glob("*.*")):
        with open(path, "rb") as file:
            found[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
