"""A person's manner of speaking: how the general talker's motion is brought to their own rest, range and head moves.

And the one rule of articulation that every viewer checks: lips meet on p, b and m.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from retac_node.data import F32, FaceTrack, Timed
from retac_node.models.head import Head
from retac_node.models.landmarks3d import LOWER_LIP, UPPER_LIP, at_landmarks
from retac_node.models.motion import MotionNet
from retac_node.ops.features import at_frames, heard, spoken
from retac_node.ops.solve import EYE_DISTANCE

LEAST_GAIN, MOST_GAIN = 0.7, 1.8
SPEECH_SECONDS = 1.0  # of speech from which the clip shows the person's range
TALKING = 0.06  # eye distances between shut and wide open: below it the mouth is not seen to speak, whatever is heard
LAG_SECONDS = 0.2  # by how much a clip's sound may be early or late against its pictures
GENERAL_GAIN = 1.4  # people who were seen to speak needed 1.3 to 1.6
GENERAL_OPENING = 0.06  # eye distances more than at rest, on average; GRID speaker 1 opens by .04
ENDS = (3, 97)  # percentiles that stand for shut and wide open
CONTACT = {"p": 1.0, "b": 1.0, "m": 1.0, "f": 0.6, "v": 0.6}  # how far towards shut the lips must come
EARLY = 0.03  # seconds by which lips lead the sound
EDGE = 0.06  # seconds over which they close and open again
CLOSERS = (
    "jawOpen",
    "mouthClose",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
)


@dataclass(frozen=True)
class Manner:
    rest: F32  # (K,) activations about which the person's mouth moves
    gain: float  # of the general motion
    shut: float  # lip gap, in eye distances, at which this person's lips are closed
    pose_rest: F32  # (6,) mean rotation and translation
    pose_scale: F32  # (6,) standard deviation of each
    match: float  # correlation of predicted and solved lip gap on the clip's own sound, at the best lag


def predict(
    net: MotionNet, samples: F32, rate: int, phonemes: tuple[Timed, ...], fps: float, frames: int
) -> tuple[F32, F32]:
    """Gives units (U, K) about the mean and pose (U, 6) in deviations, at the frame rate."""
    sound = heard(samples, rate)
    with torch.inference_mode():
        units, pose = net(torch.from_numpy(sound)[None], torch.from_numpy(spoken(phonemes, len(sound)))[None])
    return at_frames(units[0].numpy(), fps, frames), at_frames(pose[0].numpy(), fps, frames)


def lip_gap(head: Head, units: tuple[str, ...]) -> F32:
    """Gives (K,) what each unit at activation 1 adds to the gap between the lips, in eye distances."""
    columns = [head.expression_names.index(unit) for unit in units]
    lips = at_landmarks(head, head.expression)[columns]
    return (lips[:, LOWER_LIP, 1] - lips[:, UPPER_LIP, 1]) / EYE_DISTANCE


def learn(
    predicted: F32,
    solved: F32,
    gap: F32,
    names: tuple[str, ...],
    track: FaceTrack,
    frames: NDArray[np.int32],
    fps: float,
    speech: float,
) -> Manner:
    """Finds the person's rest and range.

    predicted, solved (n, K): the same frames (n,) of the clip; gap (K,) as of `lip_gap`; speech: seconds of it in the clip.
    Ranges are compared, not fitted: least squares would shrink what it cannot predict, and the person would mumble.
    A person who is not seen to speak gets the general range, and opens from the mouth they are seen with.
    """
    made, seen = predicted @ gap, solved @ gap  # (n,)
    if seen_to_speak(seen, speech):
        gain = float(np.clip(spread(seen) / max(spread(made), 1e-6), LEAST_GAIN, MOST_GAIN))
        rest = solved.mean(0) - gain * predicted.mean(0)
    else:
        gain = GENERAL_GAIN
        rest = solved.mean(0) - gain * predicted.mean(0) + closing(gap, names) * GENERAL_OPENING
    pose = np.concatenate([track.rotation[frames], track.translation[frames]], 1)
    return Manner(
        rest=rest.astype(np.float32),
        gain=gain,
        shut=float(np.percentile(seen, ENDS[0])),
        pose_rest=pose.mean(0),
        pose_scale=pose.std(0),
        match=best_match(made, seen, round(LAG_SECONDS * fps)),
    )


def seen_to_speak(gap: F32, speech: float) -> bool:
    """Says whether a clip shows the person's range: enough seconds of speech, and lips (n,), eye distances, that move."""
    return speech >= SPEECH_SECONDS and spread(gap) >= TALKING


def spread(curve: F32) -> float:
    low, high = np.percentile(curve, ENDS)
    return float(high - low)


def best_match(a: F32, b: F32, lags: int) -> float:
    """Gives the highest correlation of two curves over lags of up to so many frames either way; 0 when one is flat."""
    best = 0.0
    for lag in range(-lags, lags + 1):
        left, right = a[max(0, -lag) : len(a) - max(0, lag)], b[max(0, lag) : len(b) - max(0, -lag)]
        if len(left) > 2 and left.std() > 0 and right.std() > 0:
            best = max(best, float(np.corrcoef(left, right)[0, 1]))
    return best


def mouth(manner: Manner, units: F32, gap: F32, names: tuple[str, ...]) -> F32:
    """Brings predicted units (U, K) to the person, in their bounds; gap (K,) as of `lip_gap`.

    A unit that is at its bound already cannot open the lips any further; what it owes the jaw gives.
    """
    asked = manner.rest + manner.gain * units
    made = np.clip(asked, lowest(names), 1.0)
    jaw = names.index("jawOpen")
    made[:, jaw] = np.clip(made[:, jaw] + np.maximum((asked - made) @ gap, 0) / gap[jaw], 0, 1)
    return np.asarray(made, np.float32)


def shut_where_needed(
    manner: Manner, units: F32, gap: F32, names: tuple[str, ...], phonemes: tuple[Timed, ...], fps: float
) -> F32:
    """Brings the lips of (U, K) together as far as the sounds need it; gap (K,) as of `lip_gap`."""
    need = contact(phonemes, fps, len(units))
    shutter = closing(gap, names)
    made = units
    for _ in range(2):  # what one unit cannot give within its bounds, the others give the second time
        excess = np.maximum(made @ gap - manner.shut, 0) * need  # (U,)
        made = np.clip(made - excess[:, None] * shutter, lowest(names), 1.0)
    return np.asarray(made.astype(np.float32))


def lowest(names: tuple[str, ...]) -> F32:
    return np.array([-1.0 if name.startswith("extra") else 0.0 for name in names], np.float32)


def contact(phonemes: tuple[Timed, ...], fps: float, frames: int) -> F32:
    """Gives (U,) in [0, 1]: how shut the lips must be in each frame."""
    times = np.arange(frames) / fps
    need = np.zeros(frames, np.float32)
    for phoneme in phonemes:
        if phoneme.label in CONTACT:
            outside = np.maximum(phoneme.start - EARLY - times, times - (phoneme.end - EARLY))  # seconds
            rise = np.clip(1 - np.maximum(outside, 0) / EDGE, 0, 1)
            need = np.maximum(need, CONTACT[phoneme.label] * rise * rise * (3 - 2 * rise))
    return need


def closing(gap: F32, names: tuple[str, ...]) -> F32:
    """Gives the smallest change of the closing units (K,) that opens the lips by one eye distance."""
    used = gap * np.isin(names, CLOSERS)
    return used / max(float(used @ gap), 1e-9)


def save_manner(path: Path, manner: Manner) -> None:
    with open(path, "wb") as file:
        np.savez(file, allow_pickle=False, **{name: np.asarray(value) for name, value in vars(manner).items()})


def load_manner(path: Path) -> Manner:
    with np.load(path, allow_pickle=False) as file:
        held = {name: file[name] for name in file.files}
    gain, shut, match = (float(held[name]) for name in ("gain", "shut", "match"))
    return Manner(held["rest"], gain, shut, held["pose_rest"], held["pose_scale"], match)
