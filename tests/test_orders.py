"""One way from an order to the stages' options, for the command line and for a node's workers."""

from pathlib import Path

import pytest
from retac_shared.order import Order

from retac_node import dub, orders
from retac_node.errors import BadInput
from tests.clips import bare_clip

DIGESTS = {Path("clip.mp4"): "c" * 64, Path("edited.npz"): "e" * 64}


def test_the_command_line_and_an_order_ask_for_the_same():
    wish = dub.Wish(
        Path("clip.mp4"), Path("out, 2.mp4"), "Hello.", motion=Path("edited.npz"), quality="final", frames=Path("png"),
        consent="form 7", seed=3, subject=1,
    )  # fmt: skip
    order = Order(
        "c" * 64, text="Hello.", motion="e" * 64, quality="final", frames=True, consent="form 7", seed=3, subject=1
    )
    local = dub.named(orders.spec_of(dub.order_of(wish, DIGESTS), (5, 9), 25.0), wish)
    far = orders.spec_of(order, (5, 9), 25.0)
    assert local.report.video_name == "out, 2.mp4"
    assert all(getattr(local, name) == getattr(far, name) for name in vars(far) if name != "report")
    assert (far.voice.slot_seconds, far.motion.first_frame, far.encode.slot) == (0.16, 5, (5, 9))


def test_the_head_needs_no_line():
    assert orders.spec_of(Order("c" * 64, goal="solve", subject=2)).track.subject == 2


def test_what_an_option_refuses_is_bad_input():
    with pytest.raises(BadInput, match="train-minutes"):
        orders.spec_of(Order("c" * 64, text="Hello.", train_minutes=1e9))


def test_a_range_becomes_the_nearest_frames():
    clip = bare_clip(Path("clip.mp4"), [n / 25 for n in range(50)])
    assert orders.slot_of(0.51, 1.01, clip) == (13, 25)
