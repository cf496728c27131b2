"""What a person's manner does to the general talker's motion."""

import numpy as np

from retac_node.models.head import load_head
from retac_node.models.manner import Manner, lip_gap, lowest, mouth, seen_to_speak

NAMES = load_head().expression_names
GAP = lip_gap(load_head(), NAMES)


def manner(rest: dict[str, float]) -> Manner:
    values = np.array([rest.get(name, 0.0) for name in NAMES], np.float32)
    return Manner(values, 1.0, 0.0, np.zeros(6, np.float32), np.ones(6, np.float32), 0.0)


def test_what_a_unit_at_its_bound_owes_the_opening_the_jaw_gives() -> None:
    asked = manner({"jawOpen": 0.1, "mouthClose": -0.2})
    made = mouth(asked, np.zeros((3, len(NAMES)), np.float32), GAP, NAMES)
    np.testing.assert_allclose(made @ GAP, asked.rest @ GAP, atol=1e-5)
    assert (made >= lowest(NAMES)).all()


def test_a_mouth_asked_to_open_beyond_its_jaw_stays_in_bounds() -> None:
    made = mouth(manner({"jawOpen": 1.5}), np.zeros((2, len(NAMES)), np.float32), GAP, NAMES)
    assert made[:, NAMES.index("jawOpen")].tolist() == [1.0, 1.0]


def test_lips_that_hardly_move_are_not_seen_to_speak() -> None:
    moving = np.linspace(0, 0.2, 50, dtype=np.float32)
    assert seen_to_speak(moving, speech=3.0)
    assert not seen_to_speak(0.1 * moving, speech=3.0)
    assert not seen_to_speak(moving, speech=0.5)
