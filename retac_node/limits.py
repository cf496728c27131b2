"""Refuses files beyond a node's limits before they are worked on, in the worker.  Never keeps a picture."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

from retac_shared.motion import BadMotion, load_motion

from retac_node.data import Clip
from retac_node.errors import BadInput

CURVES = 1 << 28  # bytes of edited curves, unpacked


@dataclass(frozen=True)
class Limits:
    """Of one clip; a recording of a line or of a voice may last as long."""

    seconds: float
    frames: int
    pixels: int  # of a picture
    memory: int = 0  # bytes of a worker's address space; 0: no limit


def check_clip(path: Path, limits: Limits) -> None:
    """Looks at the header and the first picture.  Raises BadInput."""
    from retac_node import media  # only workers have the decoder

    facts = media.probe(path)
    if facts.width * facts.height > limits.pixels:
        size = f"{facts.width} x {facts.height}"
        raise BadInput(f"the clip is {size} pixels and this node takes {limits.pixels} a picture; scale it down")
    check_seconds("clip", facts.seconds, limits)
    check_frames(round(facts.seconds * max(facts.rates[:1], default=0)), limits)


def check_length(clip: Clip, limits: Limits) -> None:
    """Looks at a clip that was read: headers lie.  Raises BadInput."""
    check_seconds("clip", len(clip.times) / float(clip.fps), limits)
    check_frames(len(clip.times), limits)


def check_frames(frames: int, limits: Limits) -> None:
    if frames > limits.frames:
        raise BadInput(f"the clip has {frames} frames and this node takes {limits.frames}; trim it to the shot")


def check_seconds(what: str, seconds: float, limits: Limits) -> None:
    if seconds > limits.seconds:
        raise BadInput(f"the {what} lasts {seconds:.0f} s and this node takes {limits.seconds:g} s; trim it")


def check_sound(path: Path, limits: Limits) -> None:
    """Looks at the header of a recording.  Raises BadInput."""
    import av  # only workers have the decoder

    from retac_node import media

    with media.opened(path) as container:
        check_seconds("recording", (container.duration or 0) / av.time_base, limits)


def check_curves(path: Path) -> None:
    """Reads edited curves; what unpacks to more than curves ever are is refused first.  Raises BadInput."""
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(item.file_size for item in file.infolist())
        if size > CURVES:
            raise BadInput(f"the edited curves unpack to {size} bytes and {CURVES} can be used; save them again")
        load_motion(path)
    except (zipfile.BadZipFile, BadMotion) as error:
        raise BadInput(f"the edited curves cannot be used: {error}") from error
