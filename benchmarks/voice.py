"""The voice by the numbers it is judged on: python benchmarks/voice.py FOLDER-OR-FILE... -o DIR

A folder of folders has a speaker in each; any other folder, or a file, is one speaker.  Their first seconds are the
reference, the rest is held back and only compared with.  The tables are printed; DIR gets them, figures.json and the
spoken lines.
"""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import soundfile
import voice_judges as judges
from retac_shared.options import EngineName
from voice_figures import GAP, LONG, SHORT, Figures, Likeness, Said, Slot, mean, tables

from retac_node import media
from retac_node.data import F32, Clip, Speech, Timed
from retac_node.engine.stage import Context
from retac_node.errors import BadInput
from retac_node.models import clone, engines, watermark
from retac_node.models.engines import fit
from retac_node.ops import room, sound, text
from retac_node.stages import voice
from retac_node.stages.slot import in_slot

LINES = Path(__file__).with_name("voice_lines.txt")
SOUND = {".wav", ".flac", ".mp3", ".ogg", ".m4a", ".mp4", ".mov", ".mkv", ".webm"}
SHARE = 0.6  # of a short recording that may be its reference
FRAME = 0.040  # seconds, of 25 frames a second
FACTORS = (0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.2, 1.24, 1.25)  # own length over slot
ALIKE = (  # what every speaker says, so that only the voices differ
    "The old fisherman mended his nets beside the harbor wall while the evening sun went down behind the hills.",
    "Would you believe that nobody in the village had ever seen a train, or even heard one pass in the night?",
    "Put the heavy boxes in the garage first, and after that we can all sit down and have something to eat.",
)


@dataclass(frozen=True)
class Person:
    name: str
    rate: int  # Hz
    reference: F32  # (N,) what the voice is learnt from
    held: F32  # (M,) what it is compared with


@dataclass(frozen=True)
class Line:
    written: str
    spoken: str  # the words that must be heard

    @property
    def words(self) -> int:
        return len(self.written.split())


def main() -> int:
    asked = arguments()
    people = [person for path in asked.speakers for person in people_in(path, asked.seconds)]
    if not people:
        sys.exit("benchmarks/voice.py: no sound file there; give folders of speakers or recordings")
    if judges.distillmos() is None:
        print("DistillMOS is not installed (docs/VOICE.md says how): naturalness is left out", file=sys.stderr)
    asked.output.mkdir(parents=True, exist_ok=True)
    booth = Booth(asked.output, asked.engine)
    parts = {"likeness": alike, "words": words_right, "slots": slots_filled}
    figures = Figures()
    for name in asked.parts or parts:
        figures = parts[name](booth, people, figures)
        report = "\n\n".join(tables(figures))
        (asked.output / "figures.json").write_text(json.dumps(asdict(figures), ensure_ascii=False, indent=1) + "\n")
        (asked.output / "tables.md").write_text(report + "\n")
    print(report)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("benchmarks/voice.py", description=__doc__)
    parser.add_argument("speakers", nargs="+", type=Path, metavar="FOLDER-OR-FILE")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seconds", type=float, default=10.0, help="of reference (default 10)")
    parser.add_argument("--engine", choices=tuple(engines.ENGINES), default="kokoro")
    parser.add_argument("--parts", nargs="+", choices=("likeness", "words", "slots"), help="default: all")
    return parser.parse_args()


def people_in(path: Path, seconds: float) -> list[Person]:
    """Gives the speakers of a folder of folders, of one folder, or of one file."""
    folders = sorted(entry for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []
    if folders:
        return [person for folder in folders for person in people_in(folder, seconds)]
    files = sorted(file for file in path.iterdir() if file.suffix in SOUND) if path.is_dir() else [path]
    return [person_of(path.stem if path.is_file() else path.name, files, seconds)] if files else []


def person_of(name: str, files: Sequence[Path], seconds: float, most: float = 60.0) -> Person:
    parts: list[F32] = []
    rate = 0
    for file in files:
        samples, own = media.read_audio(file)
        rate = rate or own
        parts.append(sound.resample(samples, own, rate))
        if sum(map(len, parts)) > most * rate:
            break
    whole = np.concatenate(parts)
    cut = round(min(seconds * rate, SHARE * len(whole)))
    return Person(name, rate, whole[:cut], whole[cut:])


class Booth:
    """Where lines are spoken as the voice stage does it, but each voice is learnt once, and kept as files."""

    def __init__(self, folder: Path, engine: EngineName) -> None:
        self.folder, self.engine, self.count = folder, engine, 0
        self.learnt: dict[str, tuple[fit.Talker, room.Room]] = {}

    def learns(self, person: Person) -> float:
        """Gives the seconds that it took."""
        began = perf_counter()
        clip = Clip(
            person.name, f"{person.name}.wav", Fraction(25), np.zeros(50), 64, 64, person.reference, person.rate
        )
        speaker = clone.learn(person.reference, person.rate, person.name)
        options = engines.SpeakOptions(self.engine)
        talker = import_module(f"{engines.__name__}.{self.engine}").talker(
            speaker, options, Context(self.folder, "cpu")
        )
        self.learnt[person.name] = talker, voice.room_of(clip, speaker)
        return perf_counter() - began

    def says(self, person: Person, line: str, slot: float | None = None) -> tuple[Speech, float, float]:
        """Gives the speech, and the seconds of processor and of the clock it took.  Raises BadInput."""
        if person.name not in self.learnt:
            self.learns(person)
        talker, place = self.learnt[person.name]
        work, wall = process_time(), perf_counter()
        said = fit.speak_within(talker, line, slot, Context(self.folder, "cpu"))
        samples = watermark.mark(room.place(said.samples, said.rate, place), said.rate)
        speech = Speech.of(samples, said.rate, said.words, said.phonemes)
        speech = speech if slot is None else in_slot(speech, slot)
        spent = process_time() - work, perf_counter() - wall
        self.count += 1
        soundfile.write(self.folder / f"{self.count:03}_{person.name}.wav", speech.samples, speech.rate, "PCM_16")
        return speech, *spent


def alike(booth: Booth, people: Sequence[Person], figures: Figures) -> Figures:
    """Has each speaker say the same lines and compares them with everybody's own speech."""
    held = {name: [embed(person.held, person.rate) for person in people] for name, embed in judges.ENCODERS.items()}
    own = {name: [embed(person.reference, person.rate) for person in people] for name, embed in judges.ENCODERS.items()}
    first = people[0]  # models are loaded by a voice that is none of those which are timed
    booth.says(Person("warm-up", first.rate, first.held, first.reference), "Yes.")
    rows: list[Likeness] = []
    cosines: dict[str, list[list[float]]] = {name: [] for name in judges.ENCODERS}
    for i, person in enumerate(people):
        tell(f"likeness: {person.name}")
        wall = booth.learns(person)
        spoken = [booth.says(person, line)[0] for line in ALIKE]
        made = {
            name: np.stack([embed(speech.samples, speech.rate) for speech in spoken])  # (lines, D)
            for name, embed in judges.ENCODERS.items()
        }
        for name in made:
            cosines[name].append([float((made[name] @ other).mean()) for other in held[name]])
        rows.append(
            Likeness(
                speaker=person.name,
                wall=wall,
                to_reference={name: float((made[name] @ own[name][i]).mean()) for name in made},
                to_held={name: cosines[name][i][i] for name in made},
                halves={name: float(own[name][i] @ held[name][i]) for name in made},
                nearest={name: people[int(np.argmax(cosines[name][i]))].name for name in made},
                naturalness=mean(judges.naturalness(speech.samples, speech.rate) for speech in spoken),
                own_naturalness=judges.naturalness(person.reference, person.rate),
            )
        )
    return Figures(tuple(rows), figures.said, figures.slots, cosines)


def words_right(booth: Booth, people: Sequence[Person], figures: Figures) -> Figures:
    """Has the lines said, each by the next speaker."""
    said = []
    for number, line in enumerate(lines(LINES)):
        person = people[number % len(people)]
        tell(f"words: {number + 1}, {person.name}: {line.written[:60]}")
        said.append(judged(line, person, *booth.says(person, line.written)))
        if said[-1].errors:
            tell(f"  heard: {said[-1].heard[:200]}")
    return Figures(figures.likeness, tuple(said), figures.slots, figures.cosines)


def slots_filled(booth: Booth, people: Sequence[Person], figures: Figures) -> Figures:
    """Has one line said in slots that are shorter and longer than it, by every third speaker."""
    rows = []
    for person in people[::3]:
        own = last_sound(booth.says(person, ALIKE[0])[0])
        for factor in FACTORS:
            tell(f"slots: {person.name}, {factor}")
            seconds = round(own / factor / FRAME) * FRAME
            try:
                speech = booth.says(person, ALIKE[0], seconds)[0]
                rows.append(Slot(person.name, factor, seconds - last_sound(speech), speech.seconds - seconds, ""))
            except BadInput as error:
                rows.append(Slot(person.name, factor, float("nan"), float("nan"), str(error)))
    return Figures(figures.likeness, figures.said, tuple(rows), figures.cosines)


def judged(line: Line, person: Person, speech: Speech, work: float, wall: float) -> Said:
    heard = judges.hear(speech.samples, speech.rate, line.spoken)
    starts, ends = lateness(speech.words, judges.times(speech.samples, speech.rate, line.written))
    natural = judges.naturalness(speech.samples, speech.rate) if SHORT < line.words < LONG else float("nan")
    return Said(
        person.name, line.written, heard.text, heard.words, heard.errors,
        gaps_inside(speech, line.written), starts, ends, natural, speech.seconds, work, wall,
    )  # fmt: skip


def lateness(told: Sequence[Timed], found: Sequence[Timed]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Gives by how much each word's start and end lie after those of forced alignment; nothing where words differ."""
    spelled = [text.words(word.label) for word in told]  # forty-nine is one word to the voice and two to the judge
    if [each for parts in spelled for each in parts] != [each for word in found for each in text.words(word.label)]:
        return (), ()
    firsts = np.cumsum([0, *map(len, spelled)])
    starts = tuple(word.start - found[first].start for word, first in zip(told, firsts, strict=False))
    return starts, tuple(word.end - found[last - 1].end for word, last in zip(told, firsts[1:], strict=True))


def gaps_inside(speech: Speech, line: str) -> tuple[float, ...]:
    """Gives the silences over GAP that no mark in the line stands for: those inside a phrase."""
    marked = [token[-1] in '.,;:?!—…"' for token in re.findall(r"\S*\w\S*(?:\s+[^\w\s]+)*", text.normalise(line))]
    quiet = ~sound.speaking(speech.samples, speech.rate)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))) * sound.HOP
    found = []
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        before = sum(word.start < start for word in speech.words)
        inner = 0 < before < len(speech.words)
        if stop - start > GAP and inner and not (len(marked) == len(speech.words) and marked[before - 1]):
            found.append(round(float(stop - start), 2))
    return tuple(found)


def last_sound(speech: Speech) -> float:
    """Gives when the last sound is over, seconds."""
    loud = np.flatnonzero(
        sound.levels(speech.samples, speech.rate) > sound.gated_level(speech.samples, speech.rate) - 35
    )
    return float(loud[-1] + 1) * sound.HOP


def lines(path: Path) -> list[Line]:
    rows = [row.partition("|") for row in path.read_text(encoding="utf-8").splitlines() if row and row[0] != "#"]
    return [Line(written.strip(), (spoken or written).strip()) for written, _, spoken in rows]


def tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
