"""Things that many tests look at: the project's own small talking clip and what is true of it."""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from retac_node.train.sample import Truth


@dataclass(frozen=True)
class Sample:
    path: Path
    truth: "Truth"


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """2.4 s of 256 x 256 at 25 frames a second, with sound."""
    from retac_node import assets  # Blender's Python, which runs tests/blender, has none of its libraries

    if not assets.available("kokoro"):
        pytest.skip("no voice model here; fetch it with `retac assets fetch`")
    from retac_node.train.sample import make  # imports torch: tests that need no clip start without it

    path = tmp_path_factory.mktemp("sample") / "sample.mp4"
    return Sample(path, make(path, 2.4, 256, Fraction(25), seed=0))
