"""A night's list in small: forty real rows, three of them broken in different ways, and how their time grows with the rows:

    python benchmarks/forty.py CLIP... -o FOLDER [--train-minutes .1] [--workers 1]

37 lines are dealt to the clips in blocks, every fifth of them into a range; the folder keeps the list, the results and the
page.  Each result is opened again and its words written down by whisper.  A line is fitted to the seconds of all rows.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Event as Flag
from time import monotonic
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from retac_node import media
from retac_node.desk import Desk
from retac_node.errors import RetacError
from retac_node.farm import batch
from retac_node.models import recogniser

LINES = (
    "Put the red box by the door.",
    "We open on Friday.",
    "Bring my blue map, please.",
    "Nobody saw the bus leave.",
    "Five people came back.",
    "Maybe the pump is broken.",
    "Tell Bob about it.",
    "The film begins at nine.",
    "Please move the lamp.",
    "That was a very big boat.",
)
SOUND_ROWS, RANGED, RANGE = 37, 5, (0.5, 2.5)  # how many rows are right; each how many-th is a range, seconds
COLUMNS = ("clip", "range", "text", "output")
BROKEN = {8: "broken_clip", 20: "broken_range", 34: "broken_text"}  # row -> its output


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/forty.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="three seconds or more of a person talking")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a new one")
    parser.add_argument("--train-minutes", type=float, default=0.1, metavar="M", help="of each clip (default: .1)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="shots at a time (default: 1)")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True)
    file = write(asked.output, [clip.absolute() for clip in asked.clips])
    plan = batch.Plan(file, asked.output / "page.html", {"train_minutes": f"{asked.train_minutes:g}"}, asked.workers)
    began = monotonic()
    try:
        batch.batch(plan, Desk(asked.output / "work", "cpu", lambda event: None, Flag()))
    except RetacError as error:
        print(f"{error}\n")
    tell(asked.output, msgspec.json.decode((asked.output / "page.json").read_bytes()), monotonic() - began)
    return 0


def write(folder: Path, clips: Sequence[Path]) -> Path:
    """Writes the list, and the file that is no clip any more."""
    (folder / "cut.mp4").write_bytes(clips[0].read_bytes()[:4000])
    sound = iter([row(n, clips[n * len(clips) // SOUND_ROWS]) for n in range(SOUND_ROWS)])
    broken = {
        "broken_clip": ("cut.mp4", "", "This clip is cut."),
        "broken_range": (clips[-1], "9-11", "Beyond the end."),
        "broken_text": (clips[-1], "", ""),
    }
    with open(folder / "shots.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for number in range(1, SOUND_ROWS + len(BROKEN) + 1):
            name = BROKEN.get(number)
            table.writerow((*broken[name], f"out/{name}.mp4") if name else next(sound))
    return folder / "shots.csv"


def row(n: int, clip: Path) -> tuple[object, ...]:
    span = "{:g}-{:g}".format(*RANGE) if n % RANGED == RANGED - 1 else ""
    return clip, span, LINES[n % len(LINES)], f"out/{clip.stem}_{n:02d}.mp4"


def tell(folder: Path, told: Any, wall: float) -> None:
    """Prints a table row for each row of the list, what failed, and the fit."""
    print("| row | shot | s | solve | words wrong | result |\n|---:|---|---:|---:|---:|---|")
    with open(folder / "shots.csv", newline="") as file:
        asked = list(csv.DictReader(file))
    for shot, row in zip(told["shots"], asked, strict=True):
        done = shot["state"] == "done"
        wrong, said = judged(folder / shot["video"], shot, row) if done else (float("nan"), shot["error"])
        solves = shot["ran"].get("track", 0)
        print(f"| {shot['row']} | {shot['name']} | {shot['seconds']:.1f} | {solves} | {wrong:.2f} | {said} |")
    sums, done = told["totals"], [shot for shot in told["shots"] if shot["state"] == "done"]
    ran = ", ".join(f"{name} {count}" for name, count in sums["ran"].items())
    print(f"\n{sums['done']} done, {sums['failed']} failed in {wall:.0f} s; tasks: {ran}.")
    print(fit([shot["seconds"] for shot in done], [shot["ran"].get("track", 0) for shot in done]))


def judged(video: Path, shot: Any, row: Mapping[str, str]) -> tuple[float, str]:
    """Gives the share of the words that were heard wrong, and what the file holds."""
    pictures, whole = (len(list(media.picture_times(path))) for path in (video, Path(row["clip"])))
    expected = whole if row["range"] else round(shot["figures"]["frames"])
    samples, rate = media.read_audio(video)
    spoken = samples[round(RANGE[0] * rate) : round(RANGE[1] * rate)] if row["range"] else samples
    heard = recogniser.transcribe(spoken, rate)
    size = f"{pictures} frames" if pictures == expected else f"{pictures} frames INSTEAD OF {expected}"
    sort = ", the line in the clip" if row["range"] else ""
    return recogniser.word_error_rate(shot["text"], heard), f"{size}{sort}: “{heard}”"


def fit(seconds: Sequence[float], solves: Sequence[int]) -> str:
    """Says what a row and a clip cost by least squares over the sums so far."""
    so_far = np.cumsum(seconds)
    counts = np.stack([np.arange(1, len(seconds) + 1), np.cumsum(solves)], 1).astype(float)  # (n, 2) rows, clips
    costs: NDArray[np.float64] = np.linalg.lstsq(counts, so_far, rcond=None)[0]
    miss = so_far - counts @ costs
    share = 1 - miss.var() / so_far.var()
    return (
        f"A row costs {costs[0]:.1f} s and a clip {costs[1]:.1f} s more; of the sums so far that leaves "
        f"{np.abs(miss).max():.0f} s of {so_far[-1]:.0f} unexplained at worst (R² {share:.4f})."
    )


if __name__ == "__main__":
    sys.exit(main())
