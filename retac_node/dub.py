"""`retac dub`: a clip and a line in, the shot that says the line out, with its curves and its report beside it.

Never works on a picture: the stages do.
"""

import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from retac_shared.motion import BadMotion, load_motion, save_motion
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

from retac_node import recipe, results
from retac_node.data import Clip, Motion, Report, Video
from retac_node.desk import Desk
from retac_node.errors import BadInput

WANTED = ("motion", "encode", "report")
ENDINGS = (".mp4", ".mov")

Slot = tuple[int, int]  # frames [start, stop) of the clip


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    clip: Path
    output: Path
    text: str = ""
    audio: Path | None = None  # a recorded line
    voice: Path | None = None  # a recording of the voice to clone
    motion: Path | None = None  # edited curves in place of the prediction
    start: float | None = None  # seconds; of the range that is replaced
    end: float | None = None
    pose: Literal["source", "predicted"] = "source"
    quality: Literal["draft", "final"] = "draft"
    train_minutes: float | None = None
    subject: int | None = None
    frames: Path | None = None  # folder of the PNG sequence
    consent: str = ""
    seed: int = 0

    def given(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.clip, self.audio, self.voice, self.motion) if path is not None)


@dataclass(frozen=True)
class Dubbed:
    """What lies where."""

    video: Path
    motion: Path
    report: Path
    frames: Path | None


def dub(wish: Wish, desk: Desk) -> Dubbed:
    """Makes the shot.  What is cheap to find wrong is found first.  Raises BadInput, OutOfSpace, Refused, Cancelled."""
    made = places(wish)
    check(wish, made)
    digests = {path: recipe.digest(path) for path in wish.given()}
    sources = {digest: path.absolute() for path, digest in digests.items()}
    spec = spec_of(wish, digests)
    if wish.start is not None and wish.end is not None:
        clip = desk.look(spec, sources)
        spec = spec_of(wish, digests, slot_of(wish.start, wish.end, clip), float(clip.fps))
    found = desk.run(spec, sources, WANTED)
    publish(found["encode"], found["motion"], page(found["report"], desk), made)
    return made


def page(report: Report, desk: Desk) -> str:
    """Gives the report with what only the run knows: how long it took, and what it warned of."""
    from retac_node.stages.report import with_run  # draws its pictures with libraries that take seconds to import

    text = (Path(report.folder) / report.html).read_text(encoding="utf-8")
    return with_run(text, desk.seconds(), desk.warnings())


def places(wish: Wish) -> Dubbed:
    out = wish.output
    return Dubbed(out, out.with_suffix(".motion.npz"), out.with_suffix(".report.html"), wish.frames)


def check(wish: Wish, made: Dubbed) -> None:
    """Refuses what cannot work, before anything is read."""
    if not wish.text and wish.audio is None:
        raise BadInput("there is no line to speak; give its words with --text or a recording of it with --audio")
    if wish.audio is not None and wish.voice is not None:
        raise BadInput("--audio is used as it was recorded, so --voice has nothing to do; leave one of them out")
    if (wish.start is None) != (wish.end is None):
        raise BadInput("a range needs both ends; give --start and --end, in seconds")
    results.check_file(made.video, ENDINGS, wish.given())
    if wish.frames is not None:
        results.check_fresh_folder(wish.frames)
    if wish.motion is not None and wish.motion.is_file():
        try:
            load_motion(wish.motion)
        except BadMotion as error:
            raise BadInput(str(error)) from error


def spec_of(wish: Wish, digests: Mapping[Path, str], slot: Slot | None = None, fps: float = 1.0) -> JobSpec:
    """Turns the wish into options, stage by stage; `fps` is the clip's where there is a slot.  Raises BadInput."""

    def digest(path: Path | None) -> str:
        return digests[path] if path is not None else ""

    seconds = None if slot is None else (slot[1] - slot[0]) / fps
    try:
        return JobSpec(
            IngestOptions(digest(wish.clip)),
            TrackOptions(wish.subject),
            VoiceOptions(wish.text, digest(wish.audio), digest(wish.voice), slot_seconds=seconds, seed=wish.seed),
            AdaptOptions(wish.quality, wish.train_minutes, seed=wish.seed),
            MotionOptions(wish.pose, slot[0] if slot else 0, slot is not None, digest(wish.motion), wish.seed),
            encode=EncodeOptions(wish.frames is not None, slot, consent=wish.consent),
            report=ReportOptions(wish.output.name, wish.consent),
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


def publish(video: Video, motion: Motion, report: str, made: Dubbed) -> None:
    """Copies everything aside, and renames it when all of it is there."""
    finished = Path(video.folder)
    with ExitStack() as stack:
        if made.frames is not None:
            shutil.copytree(finished / video.frames, stack.enter_context(results.aside(made.frames)))
        stack.enter_context(results.aside(made.report)).write_text(report, encoding="utf-8")
        save_motion(stack.enter_context(results.aside(made.motion)), motion)
        copy_video(finished / video.mp4, stack.enter_context(results.aside(made.video)))


def copy_video(mp4: Path, target: Path) -> None:
    """Copies the video; into a QuickTime file where the name ends in .mov, its streams as they are."""
    if target.suffix.lower() == ".mp4":
        shutil.copyfile(mp4, target)
        return
    import av  # only here

    with av.open(str(mp4)) as source, av.open(str(target), "w", format="mov") as sink:
        sink.metadata.update(source.metadata)
        twins = {stream.index: sink.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = twins[packet.stream.index]
                sink.mux(packet)
