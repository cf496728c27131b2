"""A node under messages that no client would send.  How fast it answers is printed by `python -m tests.fuzz 200000`."""

import pytest

from tests.fuzz import storm

GROWTH = 48 << 20  # bytes that memory may grow by: what queues and caches hold at one time and not at another


def unmoved(told):
    assert told.alive
    assert told.asked > 0
    assert told.grown < GROWTH


def test_a_node_lives_through_what_is_no_message(tmp_path):
    unmoved(storm(tmp_path, 5000))


@pytest.mark.slow
def test_a_node_lives_through_very_many(tmp_path):
    unmoved(storm(tmp_path, 200_000))
