"""How long the add-on's work on Blender's data lasts, step by step: what blocks the interface, and for how long.

Run it with a Python that has bpy:  PYTHONPATH=.:shared python benchmarks/addon.py
The head is made up, at the size of the project's own and at four times that; a line is as long as the clip.
"""

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "shared")]

from retac_shared.motion import Motion, save_motion  # noqa: E402

from blender_addon import channels, compat, edits, scene  # noqa: E402
from tests.blender import made  # noqa: E402

UNITS = tuple(f"mouth{n:02d}" for n in range(64))
SIZES = ((5326, 300), (5326, 1500), (20000, 300))  # vertices, frames


def main() -> None:
    print(f"Blender {bpy.app.version_string}\n")
    keys_alone()
    for vertices, frames in SIZES:
        print(f"\n{vertices} vertices, {frames} frames, {frames * 70} keys")
        print(f"{'':34}{'all, ms':>10}{'longest step, ms':>18}")
        with tempfile.TemporaryDirectory() as folder:
            measure(Path(folder), vertices, frames)


def keys_alone() -> None:
    """21,000 keys: 70 curves of 300 frames."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    head = bpy.data.objects.new("head", bpy.data.meshes.new("head"))
    sheet = compat.new_sheets("keys", (head,))[0]
    frames, rows = np.arange(300), np.random.default_rng(0).normal(size=(300, 70))
    curves = [compat.new_curve(sheet, f'["{n}"]', 0, "all") for n in range(70)]
    times = []
    for _ in range(5):
        start = time.perf_counter()
        for n, curve in enumerate(curves):
            compat.set_keys(curve, frames, rows[:, n])
        times.append(time.perf_counter() - start)
    print(f"21,000 keys: {1000 * min(times):.1f} ms (best of five), asked: below 50 ms")


def measure(folder: Path, vertices: int, frames: int) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    into, files = bpy.context.scene, inputs(folder, vertices, frames)
    plate = scene.Plate("talk", files[2], 1001, 1001, 1001 + frames, 25.0, (1920, 1080), frames)
    data = told("read the solve's files (a thread)", lambda: scene.read_shot(*files[:3]))
    shot = stepped("build head, camera, curves", scene.building(into, plate, data))
    line = scene.adding_line(
        into, shot, made.KEY, folder / "motion.npz", folder / "timing.json", folder / "speech.wav", 1001
    )
    stepped("add a line", line)
    shot = scene.shot_of(shot.head)
    told("read the line's curves", lambda: scene.read_motion(into, shot, made.KEY))
    told("offset a group", lambda: scene.offset_scale(shot, "Mouth", 1010, 1000 + frames - 10, 0.1, 1.0))
    told("ease the ends", lambda: scene.ease(shot, 6))
    told("nudge a mouth shape", lambda: scene.nudge_viseme(shot, 1050, {"mouth07": 1.0}, 0.3, 3))
    stepped("simplify", scene.simplifying(shot, 1.0))
    kept = sum(len(item.curve.keyframe_points) for item in edits.opened(shot))
    told("read simplified curves", lambda: scene.read_motion(into, shot, made.KEY))
    told("restore", lambda: scene.restore(shot))
    print(f"  simplified: {kept} of {frames * (len(UNITS) + channels.POSE)} keys")


def inputs(folder: Path, vertices: int, frames: int) -> tuple[Path, Path, Path]:
    rng, made.UNITS = np.random.default_rng(0), UNITS
    files = made.head_files(folder, frames, size=(1920, 1080))
    triangles = rng.integers(0, vertices, (2 * vertices, 3)).astype(np.int32)
    points = rng.normal(0, 0.1, (vertices, 3)).astype(np.float32)
    np.savez(
        files[1], vertices=points, triangles=triangles, uv=rng.uniform(0, 1, (vertices, 2)).astype(np.float32),
        colour=np.zeros((vertices, 3), np.uint8), names=np.array(UNITS),
        expression_basis=rng.normal(0, 0.01, (64, vertices, 3)).astype(np.float32),
    )  # fmt: skip
    made.write_picture(files[2], rng.uniform(0, 1, (1024, 1024, 3)))
    made.line_files(folder, 2, 0)
    smooth = {name: np.asarray(value) for name, value in made.moves(rng, frames).items()}
    save_motion(
        folder / "motion.npz", Motion(25.0, source_frame=np.arange(frames, dtype=np.int32), names=UNITS, **smooth)
    )
    return files


def told(what: str, work: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    result = work()
    taken = 1000 * (time.perf_counter() - start)
    print(f"  {what:32}{taken:10.1f}{taken:18.1f}")
    return result


def stepped(what: str, steps: Iterator[float]) -> Any:
    """Takes the steps one by one; gives what they return."""
    times = []
    while True:
        start = time.perf_counter()
        try:
            next(steps)
        except StopIteration as end:
            times.append(time.perf_counter() - start)
            print(f"  {what:32}{1000 * sum(times):10.1f}{1000 * max(times):18.1f}")
            return end.value
        times.append(time.perf_counter() - start)


if __name__ == "__main__":
    with open(os.devnull, "w") as nothing, contextlib.redirect_stderr(nothing):
        main()
