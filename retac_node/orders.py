"""From what is asked for to the options of every stage: one way for the command line and for the node's workers.

Never runs anything, and never sees a path: files go by sha256.
"""

from retac_shared.options import (
    AdaptOptions,
    EncodeOptions,
    IngestOptions,
    JobSpec,
    MotionOptions,
    ReportOptions,
    TrackOptions,
    VoiceOptions,
)
from retac_shared.order import Goal, Order

from retac_node.data import Clip
from retac_node.errors import BadInput

WANTED: dict[Goal, tuple[str, ...]] = {
    "solve": ("track", "mesh"),
    "line": ("track", "mesh", "voice", "motion"),
    "dub": ("track", "mesh", "voice", "motion", "encode", "report"),
}  # stages whose results a goal asks for

Slot = tuple[int, int]  # frames [start, stop) of the clip


def spec_of(order: Order, slot: Slot | None = None, fps: float = 1.0) -> JobSpec:
    """Turns the order into options, stage by stage; `fps` is the clip's where there is a slot.  Raises BadInput."""
    if order.goal == "solve":
        return JobSpec(IngestOptions(order.clip), TrackOptions(order.subject, lens=order.lens))
    seconds = None if slot is None else (slot[1] - slot[0]) / fps
    try:
        return JobSpec(
            IngestOptions(order.clip),
            TrackOptions(order.subject, lens=order.lens),
            voice=VoiceOptions(order.text, order.audio, order.voice, order.engine, seconds, order.seed),
            adapt=AdaptOptions(order.quality, order.train_minutes, seed=order.seed),
            motion=MotionOptions(order.pose, slot[0] if slot else 0, slot is not None, order.motion, order.seed),
            encode=EncodeOptions(order.frames, slot, consent=order.consent),
            report=ReportOptions(order.name, order.consent, order.voice, order.text),
        )
    except ValueError as error:
        raise BadInput(str(error)) from error


def slot_of(start: float, end: float, clip: Clip) -> Slot:
    """Gives the frames nearest to a range in seconds.  Raises BadInput for one that is not in the clip."""
    fps, frames = float(clip.fps), len(clip.times)
    length = f"{clip.name} lasts {frames / fps:.2f} s"
    if start < 0 or round(end * fps) > frames:
        raise BadInput(f"the range from {start:g} s to {end:g} s goes beyond the clip; {length}: choose one within it")
    if round(start * fps) >= round(end * fps):
        raise BadInput(f"--start {start:g} s is not before --end {end:g} s; {length}: give the earlier time as --start")
    return round(start * fps), round(end * fps)
