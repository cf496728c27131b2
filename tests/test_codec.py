"""Values go into a folder and come back equal, and what does not fit is said."""

import dataclasses
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from retac_node import data
from retac_node.engine.codec import MAP_FROM, Damaged, load, save

FLOATS = np.random.default_rng(0).normal


def array(*shape: int) -> NDArray[np.float32]:
    return FLOATS(size=shape).astype(np.float32)


def pixels(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


@dataclass(frozen=True)
class Inner:
    values: tuple[NDArray[np.float32], ...]
    label: str | None


@dataclass(frozen=True)
class Odd:
    inner: tuple[Inner, ...]
    maybe: Inner | None
    pair: tuple[int, float]
    table: dict[str, NDArray[np.int32]]
    mode: Literal["a", "b"]
    flag: bool
    nothing: NDArray[np.uint8]  # (0, 3)


def odd() -> Odd:
    inner = Inner((array(2), array(3, 1)), None)
    return Odd((inner, Inner((), "x/y")), inner, (1, math.inf), {"../k": np.arange(3, dtype=np.int32)}, "b", True,
               np.zeros((0, 3), np.uint8))  # fmt: skip


def track(frames: int = 5) -> data.FaceTrack:
    unseen = np.full((frames, 478, 3), np.nan, np.float32)
    pose, crop = array(frames, 3), array(frames, 2, 3)
    return data.FaceTrack(
        array(80), array(80), array(frames, 64), pose, pose, array(frames, 9, 3), 900.5, crop, 256, unseen,
        array(frames), 640, 480,
    )  # fmt: skip


def values(folder: Path) -> list[Any]:
    word = data.Timed("həˈloʊ", 0.1, 0.4)
    motion = data.Motion(25.0, array(4, 64), array(4, 3), array(4, 3), np.arange(4, dtype=np.int32), ("jawOpen", "é"))
    corner = np.zeros((2, 2), np.int32)
    return [
        data.Clip("ab", "a b.mp4", Fraction(30000, 1001), np.arange(3) / 3, 640, 480, array(16000), 16000),
        track(),
        data.Speech(array(99), 24000, (word, word), (), 1.5, math.nan),
        motion,
        data.Frames(7, pixels(2, 3, 16, 16), pixels(2, 1, 16, 16), pixels(2, 1, 16, 16)),
        data.Patches(7, corner, pixels(2, 3, 9, 5), pixels(2, 1, 9, 5)),
        data.Adapted({"refiner.safetensors": "ff"}, str(folder), {"dB": 31.25, "loss": math.nan}),
        data.Video(str(folder), "out.mp4", "", "", 12),
        odd(),
    ]


def assert_same(left: Any, right: Any) -> None:
    """Compares trees: NaN equals NaN, types and dtypes count."""
    assert isinstance(right, type(left))
    if dataclasses.is_dataclass(left):
        for field in dataclasses.fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name))
    elif isinstance(left, np.ndarray):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)
    elif isinstance(left, tuple | dict):
        assert list(left) == list(right) if isinstance(left, dict) else len(left) == len(right)
        for one, other in zip(left.values() if isinstance(left, dict) else left,
                              right.values() if isinstance(right, dict) else right, strict=True):  # fmt: skip
            assert_same(one, other)
    else:
        assert left == right or (math.isnan(left) and math.isnan(right))


@pytest.mark.parametrize("number", range(9))
def test_every_value_comes_back_as_it_was(tmp_path: Path, number: int) -> None:
    value = values(tmp_path)[number]
    save(tmp_path, value)
    assert_same(value, load(tmp_path, type(value)))


def test_a_large_array_is_mapped_and_none_can_be_written_to(tmp_path: Path) -> None:
    frames = data.Frames(0, pixels(1, 3, MAP_FROM, 1), pixels(1, 1, 2, 2), pixels(1, 1, 2, 2))
    save(tmp_path, frames)
    back = load(tmp_path, data.Frames)
    assert isinstance(back.rgb.base, np.memmap)
    assert not isinstance(back.mask.base, np.memmap)
    assert not back.rgb.flags.writeable
    assert not back.mask.flags.writeable


def test_a_strided_array_is_stored_in_its_own_order(tmp_path: Path) -> None:
    turned = pixels(4, 3, 6, 5).transpose(0, 1, 3, 2)[::2]
    save(tmp_path, data.Frames(0, turned, turned[:, :1], turned[:, :1]))
    np.testing.assert_array_equal(load(tmp_path, data.Frames).rgb, turned)


def test_a_folder_moves_with_its_value(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    save(tmp_path / "work", data.Video(str(tmp_path / "work"), "out.mp4", "", "", 12))
    (tmp_path / "work").rename(tmp_path / "done")
    assert load(tmp_path / "done", data.Video).folder == str(tmp_path / "done")


def test_numpy_scalars_become_plain_numbers(tmp_path: Path) -> None:
    save(tmp_path, data.Timed("a", np.float32(0.5), np.float64(1)))  # type: ignore[arg-type]
    assert load(tmp_path, data.Timed) == data.Timed("a", 0.5, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": 0.5},
        {"start": "0"},
        {"rgb": np.zeros((1, 3, 2, 2))},
        {"rgb": [1, 2]},
    ],
)
def test_a_value_that_breaks_its_annotation_is_named(tmp_path: Path, wrong: dict[str, Any]) -> None:
    frames = data.Frames(0, pixels(1, 3, 2, 2), pixels(1, 1, 2, 2), pixels(1, 1, 2, 2))
    with pytest.raises(TypeError, match=r"value\." + next(iter(wrong))):
        save(tmp_path, dataclasses.replace(frames, **wrong))


def missing(folder: Path) -> None:
    (folder / "value.rgb.npy").unlink()


def truncated(folder: Path) -> None:
    content = (folder / "value.rgb.npy").read_bytes()
    (folder / "value.rgb.npy").write_bytes(content[:-1])


def emptied(folder: Path) -> None:
    (folder / "value.mask.npy").write_bytes(b"")


def other_dtype(folder: Path) -> None:
    np.save(folder / "value.mask.npy", np.zeros((1, 1, 2, 2), np.float32))


def objects(folder: Path) -> None:
    np.save(folder / "value.mask.npy", np.array([{}]), allow_pickle=True)


def other_json(folder: Path) -> None:
    (folder / "value.json").write_text('{"start": "seven"}')


def half_json(folder: Path) -> None:
    (folder / "value.json").write_text('{"start": 7, "rg')


@pytest.mark.parametrize("harm", [missing, truncated, emptied, other_dtype, objects, other_json, half_json])
@pytest.mark.parametrize("size", [2, 256])
def test_a_damaged_folder_is_told_as_such(tmp_path: Path, harm: Any, size: int) -> None:
    save(tmp_path, data.Frames(0, pixels(1, 3, size, size), pixels(1, 1, size, size), pixels(1, 1, size, size)))
    harm(tmp_path)
    with pytest.raises(Damaged, match="does not hold a Frames"):
        load(tmp_path, data.Frames)
