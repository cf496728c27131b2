"""Dubs every clip with lines of 3, 12 and 40 words and once in a slot, and checks each result by itself:

    python benchmarks/matrix.py CLIP-OR-FOLDER... -o DIR [--join FOLDER] [--voice CLIP]

Each run is a process of its own; a clip's first run is cold, the others find its solve and training in the cache.
Prints a table row a run and leaves its video, facts and contact sheet in DIR.  A run that fails is a row, too.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import child
import numpy as np
from checks import Findings, Made, examine
from retac_shared.motion import load_motion
from sheet import write_sheet

from retac_node import media
from retac_node.data import F32, Clip
from retac_node.errors import BadInput
from retac_node.evaluate import without_nan
from retac_node.models.clone import learn
from retac_node.orders import slot_of

LINES = {
    3: "Please move forward.",
    12: "We open the bakery before five, and everybody may have some coffee.",
    40: "My brother bought a very old piano from a family by the river, and for five months he has practised every "
    "evening before supper. He plays beautifully now, but most of the people above him have begun to move away.",
}
SLOT_LINE = "Maybe we should move before five."
SLOT = (1.0, 3.0)  # seconds
VIDEO = (".mp4", ".mov", ".mkv", ".webm", ".avi")
HEARD, FOLLOWED, UNTOUCHED = 0.2, 0.6, 0.99  # from where the last column complains: word errors, lips, sound
SHUT = 0.02  # eye distances above the clip's own shut lips that still are shut: twice the landmarks' jitter
HEADS = "run|exit|word errors|faces|picture|plate kept|matte|lips r|p b m shut|sound outside|s|MB|stages, s|wrong"


@dataclass(frozen=True)
class Case:
    """One run."""

    name: str
    clip: Path
    line: str
    in_slot: bool = False
    voice: Path | None = None

    def options(self) -> list[str]:
        slot = ["--start", f"{SLOT[0]:g}", "--end", f"{SLOT[1]:g}"] if self.in_slot else []
        return slot + (["--voice", str(self.voice)] if self.voice else [])


def main() -> int:
    asked = arguments()
    asked.output.mkdir(parents=True, exist_ok=True)
    heads = HEADS.split("|")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clips = list(clips_in(asked.clips))
        for folder in asked.join:
            clips.append(joined(videos_in(folder)[: asked.sentences], scratch / f"{folder.name}_joined.mp4"))
        work = asked.work or scratch / "work"
        more = [] if asked.train_minutes is None else ["--train-minutes", str(asked.train_minutes)]
        wrong = [perform(case, asked.output, work, more) for case in cases(clips, asked)]
    return int(any(wrong))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks/matrix.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="*", type=Path, metavar="CLIP-OR-FOLDER")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for what is made")
    parser.add_argument(
        "--join", type=Path, action="append", default=[], metavar="FOLDER", help="join its clips into one of that name"
    )
    parser.add_argument("--sentences", type=int, default=3, metavar="N", help="how many are joined (default: 3)")
    parser.add_argument("--voice", type=Path, metavar="CLIP", help="the voice for clips without usable speech")
    parser.add_argument("--words", type=int, nargs="*", choices=tuple(LINES), default=tuple(LINES), metavar="N")
    parser.add_argument("--skip-slot", action="store_true")
    parser.add_argument("--train-minutes", type=float, metavar="M", help="as of `retac dub`")
    parser.add_argument("--work", type=Path, help="folder that keeps finished tasks (default: one that is thrown away)")
    return parser.parse_args()


def cases(clips: Sequence[Path], asked: argparse.Namespace) -> Iterator[Case]:
    for clip in clips:
        voice = None if speaks(clip) else asked.voice
        for words in asked.words:
            yield Case(f"{clip.stem}_{words}", clip, LINES[words], voice=voice)
        if not asked.skip_slot:
            yield Case(f"{clip.stem}_slot", clip, SLOT_LINE, in_slot=True, voice=voice)


def speaks(clip: Path) -> bool:
    """Says whether the clip's own sound is enough to take the voice from."""
    samples, rate = media.read_audio(clip)
    try:
        return len(samples) > 0 and bool(learn(samples, rate, clip.name))
    except BadInput:
        return False


def perform(case: Case, output: Path, work: Path, more: Sequence[str]) -> list[str]:
    """Runs, checks and tells one case; gives what is wrong with it."""
    video = output / f"{case.name}.mp4"
    with tempfile.TemporaryDirectory() as name:
        frames = Path(name) / "frames"
        ended = child.dub(case.clip, case.line, video, work, "--frames", str(frames), *case.options(), *more)
        if ended.code:
            return tell(case, ended, None, [ended.complaint() or "it broke off"], output)
        made = read_back(case, ended, video, frames, work)
        found = examine(made)
    write_sheet(video.with_suffix(".png"), found.sight.shown, made.speech.phonemes, float(made.clip.fps))
    return tell(case, ended, found, list(complaints(found)), output)


def read_back(case: Case, ended: child.Ended, video: Path, frames: Path, work: Path) -> Made:
    (clip,), (speech,), (track,) = (ended.made(stage, work) for stage in ("ingest", "voice", "track"))
    return Made(
        source=case.clip,
        video=video,
        frames=frames,
        line=case.line,
        clip=clip,
        speech=speech,
        track=track,
        motion=load_motion(video.with_suffix(".motion.npz")),
        patches=ended.made("composite", work),
        slot=slot_of(*SLOT, clip) if case.in_slot else None,
    )


def complaints(found: Findings) -> Iterator[str]:
    picture, sight = found.picture, found.sight
    if found.word_error_rate > HEARD:
        yield f"heard: {found.heard}"
    if not picture.as_asked:
        yield "picture or length"
    if sight.faces < picture.count:
        yield f"no face in {picture.count - sight.faces} frames, in {picture.count - sight.faces_known} of the clip's"
    if sight.plates_kept < picture.count:
        yield f"plate touched in {picture.count - sight.plates_kept} frames"
    if not found.lip_correlation > FOLLOWED:
        yield "lips do not follow"
    if found.outside and not (found.outside.correlation > UNTOUCHED or np.isnan(found.outside.correlation)):
        yield "sound outside the slot"


def tell(case: Case, ended: child.Ended, found: Findings | None, wrong: list[str], output: Path) -> list[str]:
    """Prints the row and writes the facts."""
    taken = ", ".join(f"{name} {seconds:.1f}" for name, seconds in ended.stages().items() if seconds >= 0.05)
    start = [case.name, str(ended.code)]
    end = [f"{ended.seconds:.0f}", f"{ended.peak / 1e6:.0f}", taken, "; ".join(wrong)]
    print(f"| {' | '.join([*start, *(measured(found) if found else [''] * 8), *end])} |", flush=True)
    facts = {"line": case.line, "exit": ended.code, "seconds": round(ended.seconds, 1), "peak_bytes": ended.peak}
    facts |= {
        "stages": ended.stages(),
        "wrong": wrong,
        "warnings": [event["sentence"] for event in ended.told("warned")],
    }
    facts |= summary(found) if found else {}
    (output / f"{case.name}.json").write_text(
        json.dumps(dict(without_nan(facts)), indent=2, allow_nan=False) + "\n", encoding="utf-8"
    )
    return wrong


def measured(found: Findings) -> list[str]:
    picture, sight, outside = found.picture, found.sight, found.outside
    shut = [contact.excess <= SHUT for contact in found.contacts]
    return [
        f"{found.word_error_rate:.2f}",
        f"{sight.faces}/{picture.count}",
        f"{picture.width}x{picture.height} {picture.fps:.5g} {picture.count}/{picture.count_expected}",
        f"{sight.plates_kept}/{picture.count}",
        f"{sight.matte_share:.1%}",
        f"{found.lip_correlation:.2f}",
        f"{sum(shut)}/{len(shut)}",
        f"{outside.correlation:.4f} {outside.level_db:+.1f} dB" if outside else "",
    ]


def summary(found: Findings) -> dict[str, Any]:
    """Gives the facts of one result as JSON; pictures and curves stay out."""
    sight = found.sight
    return {
        "heard": found.heard,
        "word_error_rate": round(found.word_error_rate, 3),
        "picture": vars(found.picture),
        "faces": sight.faces,
        "faces_known": sight.faces_known,
        "plates_kept": sight.plates_kept,
        "matte_share": round(sight.matte_share, 4),
        "lip_correlation": round(found.lip_correlation, 3),
        "contacts": [vars(contact) for contact in found.contacts],
        "outside": vars(found.outside) if found.outside else None,
    }


# ---- clips


def clips_in(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        yield from videos_in(path) if path.is_dir() else [path]


def videos_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO)


def joined(sentences: Sequence[Path], target: Path) -> Path:
    """Writes short clips of one size and rate one after the other; each one's sound as long as its picture."""
    facts = media.probe(sentences[0])
    parts = [part(path) for path in sentences]
    assert all((clip.width, clip.height) == (facts.width, facts.height) for clip, _ in parts), "of different sizes"
    fps = parts[0][0].fps
    pictures = (rgb for path, (clip, _) in zip(sentences, parts, strict=True) for rgb in media.frames(path, clip))
    sound = np.concatenate([samples for _, samples in parts])  # (N,)
    media.write_video(target, pictures, fps, facts.width, facts.height, sound, media.AAC_RATE)
    return target


def part(path: Path) -> tuple[Clip, F32]:
    """Gives a clip's grid, picture for picture, and its sound (N,) at 48 kHz, cut or padded to the picture."""
    facts = media.probe(path)
    times = np.array([start for start, _ in media.picture_times(path)])
    clip = Clip(
        "", path.name, facts.rates[0], times, facts.width, facts.height, np.zeros(0, np.float32), media.AAC_RATE
    )
    samples, _ = media.read_audio(path, media.AAC_RATE)
    wanted = round(len(times) / clip.fps * media.AAC_RATE)
    return clip, np.pad(samples[:wanted], (0, max(0, wanted - len(samples))))


if __name__ == "__main__":
    sys.exit(main())
