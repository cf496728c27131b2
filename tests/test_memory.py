"""Reading of the plate beside the drawing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from retac_node.models import memory


@pytest.mark.parametrize(("threads", "read"), [(1, 1), (2, 2)])
def test_pictures_are_read_ahead_where_there_is_a_thread_for_it(threads: int, read: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(memory, "THREADS", threads)
    taken = []

    def pictures() -> Iterator[np.ndarray]:
        for n in range(3):
            taken.append(n)
            yield np.full((2, 2, 3), n, np.uint8)

    plates: Any = memory.ahead(pictures())
    assert next(plates)[0, 0, 0] == 0
    plates.close()  # waits for what is being read
    assert len(taken) == read
    assert [plate[0, 0, 0] for plate in memory.ahead(pictures())] == [0, 1, 2]
