"""Motion: what head and mouth do in each output frame.  Never draws.

The mouth is predicted from the speech; eyes and brows are the plate's own; the head moves as the plate's does, as
predicted, or as an artist edited it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from retac_shared.motion import BadMotion, load_motion
from retac_shared.options import MotionOptions
from scipy.ndimage import gaussian_filter1d

from retac_node.data import F32, Adapted, Clip, FaceTrack, Motion, Speech
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models.head import load_head
from retac_node.models.manner import Manner, lip_gap, load_manner, mouth, predict, shut_where_needed
from retac_node.models.motion import load_motion_net
from retac_node.models.turn import LIMIT, reachable

BLEND_SECONDS = 0.16  # at a slot's ends, from the plate's own mouth to the new one
STEADY_POSE_SECONDS = 0.15  # a predicted head has no business trembling
POSE_LIMIT = 2.5  # deviations from the person's mean


def run(ctx: Context, options: MotionOptions, clip: Clip, speech: Speech, track: FaceTrack, adapted: Adapted) -> Motion:
    fps = float(clip.fps)
    frames = max(1, round(speech.seconds * fps))
    names = load_head().expression_names
    if options.edited:
        return within_reach(ctx, track, edited(ctx.source(options.edited), frames, fps, names, len(clip.times)))
    net, manner = load_motion_net(), load_manner(Path(adapted.folder) / "manner.npz")
    units, pose = predict(net, speech.samples, speech.rate, speech.phonemes, fps, frames)
    source = walk(options.first_frame, frames, len(clip.times))
    expression = track.expression[source].copy()  # (U, E)
    columns = [names.index(unit) for unit in net.config.units]
    keep = ends(frames, fps)[:, None] if options.slot else np.zeros((frames, 1), np.float32)
    gap = lip_gap(load_head(), net.config.units)
    made = keep * expression[:, columns] + (1 - keep) * mouth(manner, units, gap, net.config.units)  # (U, K)
    expression[:, columns] = shut_where_needed(manner, made, gap, net.config.units, speech.phonemes, fps)
    rotation, translation = track.rotation[source], track.translation[source]
    if options.pose == "predicted":
        rotation, translation = moved(
            pose, manner, fps, rotation, translation, ends(frames, fps) if options.slot else None
        )
    return Motion(fps, expression, rotation, translation, source, names)


def walk(first: int, frames: int, length: int) -> NDArray[np.int32]:
    """Lays source frames behind U output frames: forward from `first`, then back and forth, never a jump."""
    if length == 1:
        return np.zeros(frames, np.int32)
    period = 2 * (length - 1)
    phase = (first + np.arange(frames)) % period
    return np.where(phase < length, phase, period - phase).astype(np.int32)


def ends(frames: int, fps: float) -> F32:
    """Gives (U,) weights of the plate's own motion: 1 at both ends of a slot, 0 once it is under way."""
    rise = np.clip((np.arange(frames) + 0.5) / (BLEND_SECONDS * fps), 0, 1)
    smooth = rise * rise * (3 - 2 * rise)
    return (1 - np.minimum(smooth, smooth[::-1])).astype(np.float32)


def moved(pose: F32, manner: Manner, fps: float, rotation: F32, translation: F32, keep: F32 | None) -> tuple[F32, F32]:
    """Turns predicted deviations (U, 6) into the person's own head moves; at a slot's ends the plate's pose is kept."""
    steady = gaussian_filter1d(
        np.clip(pose, -POSE_LIMIT, POSE_LIMIT), STEADY_POSE_SECONDS * fps, axis=0, mode="nearest"
    )
    asked = (manner.pose_rest + manner.pose_scale * steady).astype(np.float32)
    weight = np.zeros((len(pose), 1), np.float32) if keep is None else keep[:, None]
    return (
        weight * rotation + (1 - weight) * asked[:, :3],
        weight * translation + (1 - weight) * asked[:, 3:],
    )


def within_reach(ctx: Context, track: FaceTrack, asked: Motion) -> Motion:
    """Holds an artist's poses to what can be drawn of this clip, and says where that was needed."""
    held, beyond = reachable(track, asked)
    frames = np.flatnonzero(beyond > 1e-4)
    if len(frames):
        ctx.warn(
            f"the edited motion turns the head up to {np.degrees(beyond.max()):.1f}° too far in {len(frames)} frames "
            f"({frames[0]} to {frames[-1]}); it is held at {np.degrees(LIMIT):.0f}° beyond the clip's own range"
        )
    return held


def edited(path: Path, frames: int, fps: float, names: tuple[str, ...], length: int) -> Motion:
    """Reads an artist's Motion in place of the prediction, and checks that it belongs to this job."""
    try:
        motion = load_motion(path)
    except BadMotion as error:
        raise BadInput(str(error)) from error
    if motion.names != names:
        raise BadInput(f"{path} was made with another head model; solve the clip again and edit the new motion")
    if len(motion.source_frame) != frames or abs(motion.fps - fps) > 1e-3:
        has = f"{len(motion.source_frame)} frames at {motion.fps:g} fps"
        raise BadInput(
            f"{path} has {has}, and this line has {frames} at {fps:g}; edit the motion that this line was made with"
        )
    if motion.source_frame.min() < 0 or motion.source_frame.max() >= length:
        raise BadInput(f"{path}: source_frame goes from 0 to {length - 1} in this clip; correct the numbers outside")
    return motion
