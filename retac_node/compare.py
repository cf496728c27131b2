"""Puts two clips side by side to be looked at: `python -m retac_node.compare BEFORE AFTER -o OUT`.  Never judges them.

The second clip leads: its rate, length and sound.  The first shows what it has at that time, and its last picture on.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node import media, media_out
from retac_node.data import U8
from retac_node.errors import BadInput, RetacError

TALLEST = 720  # pixels


def side_by_side(before: Path, after: Path, out: Path) -> None:
    """Writes an mp4 of both clips next to each other.  Raises BadInput, OutOfSpace."""
    facts = media.probe(after)
    height = min(facts.height, TALLEST) // 2 * 2
    fps = facts.rates[0]
    pairs = labelled_pairs(before, after, fps, height)
    first = next(pairs)
    sound, rate = media.read_channels(after)
    aside = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        pictures = (picture for run in ([first], pairs) for picture in run)
        audio = sound if len(sound) else None
        media_out.write_video(aside, pictures, fps, first.shape[1], height, audio, rate, crf=18)
        aside.replace(out)
    except PermissionError:
        raise BadInput(f"{out} cannot be written; choose another place with -o") from None
    finally:
        aside.unlink(missing_ok=True)


def labelled_pairs(before: Path, after: Path, fps: Fraction, height: int) -> Iterator[U8]:
    """Yields (height, W, 3) pictures at the rate: the first clip's on the left, the second clip's on the right."""
    shown = start_times(before)
    leading = start_times(after)
    ticks = np.arange(round((leading[-1] - leading[0]) * float(fps)) + 1) / float(fps)  # (U,) seconds
    with closing(media.Reader(before)) as left, closing(media.Reader(after)) as right:
        for was, now in zip(at(ticks, shown), at(ticks, leading), strict=True):
            halves = labelled(left.rgb(was), height, "before"), labelled(right.rgb(now), height, "after")
            yield np.concatenate(halves, axis=1)  # (height, W, 3)


def start_times(path: Path) -> NDArray[np.float64]:
    """Lists when each picture begins, (n,) seconds in the file."""
    return np.array([start for start, _ in media.picture_times(path)])


def at(ticks: NDArray[np.float64], starts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gives the start of the picture that is shown at each tick, (U,) seconds in the file."""
    return starts[np.searchsorted(starts - starts[0], ticks + 1e-3, side="right") - 1]


def labelled(rgb: U8, height: int, label: str) -> U8:
    """Scales a picture to the height, its width to an even number, and writes the label in its corner."""
    width = round(rgb.shape[1] * height / rgb.shape[0] / 2) * 2
    picture = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    size = height / 720
    for colour, thickness in ((0, 4), (255, 2)):
        place = (round(16 * size), round(36 * size))
        ink = (colour, colour, colour)
        cv2.putText(picture, label, place, cv2.FONT_HERSHEY_SIMPLEX, size, ink, max(1, round(thickness * size)))
    return np.asarray(picture, np.uint8)


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; gives its exit code."""
    parser = argparse.ArgumentParser("retac_node.compare", description="Puts two clips side by side.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    asked = parser.parse_args(arguments)
    try:
        side_by_side(asked.before, asked.after, asked.output)
    except RetacError as error:
        print(f"retac: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
