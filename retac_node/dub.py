"""`retac dub`: a clip and a line in, the shot that says the line out, with its curves and its report beside it.

Never works on a picture: the stages do.
"""

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from retac_shared.motion import BadMotion, load_motion, save_motion
from retac_shared.options import EngineName, JobSpec
from retac_shared.order import Order

from retac_node import recipe, results
from retac_node.data import Motion, Report, Video
from retac_node.desk import Desk
from retac_node.errors import BadInput
from retac_node.ops import markup
from retac_node.orders import slot_of, spec_of

WANTED = ("motion", "encode", "report")
ENDINGS = (".mp4", ".mov")


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
    lens: float | None = None  # mm on a film whose longer side is 36 mm
    frames: Path | None = None  # folder of the PNG sequence
    mattes: Path | None = None  # folder of its mattes
    consent: str = ""
    seed: int = 0
    engine: EngineName = "kokoro"  # what speaks the line

    def given(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.clip, self.audio, self.voice, self.motion) if path is not None)


@dataclass(frozen=True)
class Dubbed:
    """What lies where."""

    video: Path
    motion: Path
    report: Path
    frames: Path | None
    mattes: Path | None


def dub(wish: Wish, desk: Desk) -> Dubbed:
    """Makes the shot.  What is cheap to find wrong is found first.  Raises BadInput, OutOfSpace, Refused, Cancelled."""
    made = places(wish)
    check(wish, made)
    digests = {path: recipe.digest(path) for path in wish.given()}
    sources = {digest: path.absolute() for path, digest in digests.items()}
    order = order_of(wish, digests)
    spec = spec_of(order)
    if wish.start is not None and wish.end is not None:
        clip = desk.look(spec, sources)
        spec = spec_of(order, slot_of(wish.start, wish.end, clip), float(clip.fps))
    found = desk.run(named(spec, wish), sources, WANTED)
    publish(found["encode"], found["motion"], page(found["report"], desk.seconds(), desk.warnings()), made)
    return made


def page(report: Report, seconds: Mapping[str, float], warnings: Sequence[str]) -> str:
    """Gives the report with what only the run knows: how long it took, and what it warned of."""
    text = (Path(report.folder) / report.html).read_text(encoding="utf-8")
    return markup.with_run(text, seconds, warnings)


def places(wish: Wish) -> Dubbed:
    return beside(wish.output, wish.frames, wish.mattes)


def beside(video: Path, frames: Path | None, mattes: Path | None) -> Dubbed:
    """Gives the places of all that a dub leaves, by that of its video."""
    return Dubbed(video, video.with_suffix(".motion.npz"), video.with_suffix(".report.html"), frames, mattes)


def check(wish: Wish, made: Dubbed) -> None:
    """Refuses what cannot work, before anything is read."""
    if not wish.text and wish.audio is None:
        raise BadInput("there is no line to speak; give its words with --text or a recording of it with --audio")
    if wish.audio is not None and wish.voice is not None:
        raise BadInput("--audio is used as it was recorded, so --voice has nothing to do; leave one of them out")
    if (wish.start is None) != (wish.end is None):
        raise BadInput("a range needs both ends; give --start and --end, in seconds")
    results.check_file(made.video, ENDINGS, wish.given())
    for folder in (wish.frames, wish.mattes):
        if folder is not None:
            results.check_fresh_folder(folder)
    if wish.motion is not None and wish.motion.is_file():
        try:
            load_motion(wish.motion)
        except BadMotion as error:
            raise BadInput(str(error)) from error


def order_of(wish: Wish, digests: Mapping[Path, str]) -> Order:
    """Gives the order without its range, which is checked against the clip.  Raises BadInput."""

    def digest(path: Path | None) -> str:
        return digests[path] if path is not None else ""

    files = {name: digest(getattr(wish, name)) for name in ("clip", "audio", "voice", "motion")}
    same = ("text", "pose", "quality", "train_minutes", "subject", "lens", "consent", "seed", "engine")
    asked: dict[str, Any] = {**files, **{name: getattr(wish, name) for name in same}}
    try:
        return Order(**asked, frames=wish.frames is not None or wish.mattes is not None)
    except ValueError as error:
        raise BadInput(str(error)) from error


def named(spec: JobSpec, wish: Wish) -> JobSpec:
    """Puts in the name of the finished file, which on one's own disk may be any."""
    return dataclasses.replace(spec, report=dataclasses.replace(spec.report, video_name=wish.output.name))


def publish(video: Video, motion: Motion, report: str, made: Dubbed) -> None:
    """Copies everything aside, and renames it when all of it is there."""
    finished = Path(video.folder)
    with ExitStack() as stack:
        for name, target in ((video.frames, made.frames), (video.mattes, made.mattes)):
            if target is not None:
                shutil.copytree(finished / name, stack.enter_context(results.aside(target)))
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
