"""A person's manner of speaking: how the general talker's motion is brought to their own rest, range and head moves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from retac_node.data import F32, FaceTrack, Timed
from retac_node.models.motion import MotionNet
from retac_node.ops.features import at_frames, heard, spoken

TRUST = 0.15  # correlation below which the clip's sound says nothing of its mouth (no speech, another voice)
LEAST_GAIN, MOST_GAIN = 0.7, 1.6
SHRINK = 50.0  # frames of evidence a unit needs before its own gain counts as much as the common one


@dataclass(frozen=True)
class Manner:
    rest: F32  # (K,) activations about which the person's mouth moves
    gain: F32  # (K,) of the general motion
    pose_rest: F32  # (6,) mean rotation and translation
    pose_scale: F32  # (6,) standard deviation of each
    match: float  # correlation of predicted and solved mouths on the clip's own sound


def predict(
    net: MotionNet, samples: F32, rate: int, phonemes: tuple[Timed, ...], fps: float, frames: int
) -> tuple[F32, F32]:
    """Gives units (U, K) about the mean and pose (U, 6) in deviations, at the frame rate."""
    sound = heard(samples, rate)
    with torch.inference_mode():
        units, pose = net(torch.from_numpy(sound)[None], torch.from_numpy(spoken(phonemes, len(sound)))[None])
    return at_frames(units[0].numpy(), fps, frames), at_frames(pose[0].numpy(), fps, frames)


def learn(predicted: F32, solved: F32, track: FaceTrack, frames: np.ndarray) -> Manner:
    """Fits rest and gains by least squares, each gain drawn towards the common one.

    predicted, solved (n, K): the same seconds of the clip; frames (n,) their numbers.  Without speech that matches, the
    general motion is taken as it is, around the person's mean.
    """
    p, s = predicted - predicted.mean(0), solved - solved.mean(0)
    weight = s.std(0) + 1e-6
    match = float((p * s).sum() / np.sqrt((p**2).sum() * (s**2).sum() + 1e-12))
    common = 1.0
    gain = np.ones(p.shape[1], np.float32)
    if match > TRUST:
        # Least squares alone shrinks what it cannot predict and would make the person mumble: the ratio of ranges is
        # what is seen, so the two are averaged.
        slope = (p * s).sum() / ((p**2).sum() + 1e-9)
        ratio = np.sqrt((s**2).sum() / ((p**2).sum() + 1e-9)) * np.sqrt(match)
        common = float(np.clip((slope + ratio) / 2, LEAST_GAIN, MOST_GAIN))
        own = ((p * s).sum(0) + SHRINK * weight**2 * common) / ((p**2).sum(0) + SHRINK * weight**2)
        gain = np.clip(own, LEAST_GAIN * common, MOST_GAIN * common).astype(np.float32)
    pose = np.concatenate([track.rotation[frames], track.translation[frames]], 1)
    rest = (solved.mean(0) - gain * predicted.mean(0)).astype(np.float32)
    return Manner(rest, gain, pose.mean(0), pose.std(0), match)


def save_manner(path: Path, manner: Manner) -> None:
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(value) for name, value in vars(manner).items()})


def load_manner(path: Path) -> Manner:
    with np.load(path, allow_pickle=False) as file:
        return Manner(file["rest"], file["gain"], file["pose_rest"], file["pose_scale"], float(file["match"]))
