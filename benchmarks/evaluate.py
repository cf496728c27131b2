"""The quality on clips against their own held-out end: python benchmarks/evaluate.py CLIP=SECONDS...

Each clip is measured twice by the same job: without training, which is the retrieved frames alone, and as asked.  The
first is the baseline of the second; nothing is compared with figures from another machine or protocol.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import Any

from retac_shared.options import JobSpec

from retac_node.desk import Desk
from retac_node.errors import RetacError
from retac_node.evaluate import EvaluateOptions, Measured, measure
from retac_node.judge import Figures

COLUMNS: tuple[tuple[str, str, Callable[[Figures], float]], ...] = (
    ("matte PSNR, dB", ".2f", lambda figures: figures.matte.psnr_db),
    ("mouth PSNR, dB", ".2f", lambda figures: figures.mouth.psnr_db),
    ("mouth SSIM", ".3f", lambda figures: figures.mouth.ssim),
    ("mouth sharpness", ".2f", lambda figures: figures.mouth.sharpness_ratio),
    ("mouth flicker", ".2f", lambda figures: figures.mouth_flicker_ratio),
    ("face PSNR, dB*", ".2f", lambda figures: figures.face.psnr_db),
    ("mouth LMD, px", ".2f", lambda figures: figures.landmarks.mouth_distance_px),
    ("aperture corr.", ".2f", lambda figures: figures.landmarks.lip_aperture_correlation),
    ("faces", ".0%", lambda figures: figures.faces_found / figures.frames),
    ("plate kept", ".0f", lambda figures: figures.matte.plate_kept_outside),
)


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/evaluate.py", description=__doc__)
    parser.add_argument("clips", nargs="+", metavar="CLIP=SECONDS", help="a clip, and up to when it is learnt from")
    parser.add_argument("--quality", choices=("draft", "final"), default="draft")
    parser.add_argument("--train-minutes", type=float)
    parser.add_argument("--work", type=Path, help="folder that keeps finished tasks (default: one that is thrown away)")
    asked = parser.parse_args()
    variants = {
        "retrieved alone": EvaluateOptions(train_minutes=0.0),
        "with refiner": EvaluateOptions(asked.quality, asked.train_minutes),
    }
    rows = []
    with tempfile.TemporaryDirectory() as name:
        run_job = runner(Desk(asked.work or Path(name) / "work", "auto", lambda event: None, Event()))
        for item in asked.clips:
            path, _, seconds = item.rpartition("=")
            for variant, options in variants.items():
                print(f"measuring: {Path(path).name}, {variant}", file=sys.stderr)
                try:
                    made = measure(Path(path), float(seconds), options, run_job)
                except RetacError as error:
                    sys.exit(f"benchmarks/evaluate.py: {error}")
                rows.append(row(f"{Path(path).name}, {seconds} s", variant, made))
    heads = ["clip, learnt from", "drawn", *(head for head, _, _ in COLUMNS)]
    print(f"| {' | '.join(heads)} |\n|---|---|{'---:|' * len(COLUMNS)}\n" + "\n".join(rows))
    print("\n\\* the face's square holds pixels outside the matte, which are the plate's own: it flatters.")
    return 0


def runner(desk: Desk) -> Callable[[JobSpec, Mapping[str, Path], tuple[str, ...]], dict[str, Any]]:
    return lambda spec, sources, wanted: desk.run(spec, sources, wanted)


def row(clip: str, variant: str, made: Measured) -> str:
    figures = (format(read(made.figures), shape) for _, shape, read in COLUMNS)
    return f"| {clip} | {variant} | {' | '.join(figures)} |"


if __name__ == "__main__":
    sys.exit(main())
