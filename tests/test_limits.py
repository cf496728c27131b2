"""What a worker refuses before it works on it."""

import zipfile

import numpy as np
import pytest
from retac_shared.motion import Motion, save_motion

from retac_node import limits
from retac_node.errors import BadInput
from retac_node.limits import Limits
from tests.clips import bare_clip
from tests.fake_dub import small_clip

WIDE = Limits(60, 900, 10**6)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [(Limits(2, 900, 10**6), "3 s"), (Limits(60, 50, 10**6), "75 frames"), (Limits(60, 900, 9000), "160 x 96")],
)
def test_a_clip_beyond_the_limits_is_refused_by_its_header(tmp_path, bounds, words):
    clip = small_clip(tmp_path / "clip.mp4")
    limits.check_clip(clip, WIDE)
    with pytest.raises(BadInput, match=words):
        limits.check_clip(clip, bounds)


def test_a_clip_whose_header_lied_is_refused_when_it_was_read(tmp_path):
    clip = bare_clip(tmp_path / "clip", np.arange(100) / 25)
    limits.check_length(clip, WIDE)
    with pytest.raises(BadInput, match="100 frames"):
        limits.check_length(clip, Limits(60, 99, 10**6))


def test_a_long_recording_is_refused(tmp_path):
    clip = small_clip(tmp_path / "clip.mp4")
    limits.check_sound(clip, WIDE)
    with pytest.raises(BadInput, match="recording lasts 3 s"):
        limits.check_sound(clip, Limits(2, 900, 10**6))


def test_curves_that_are_a_bomb_or_no_curves_are_refused(tmp_path):
    still = np.zeros((4, 3), np.float32)
    save_motion(tmp_path / "good.npz", Motion(25.0, still, still, still, np.arange(4, dtype=np.int32), ("a", "b", "c")))
    limits.check_curves(tmp_path / "good.npz")
    (tmp_path / "bad.npz").write_text("no numbers")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("fps.npy", bytes(limits.CURVES + 1))
    for name, words in (("bad.npz", "cannot be used"), ("bomb.npz", "unpack to")):
        with pytest.raises(BadInput, match=words):
            limits.check_curves(tmp_path / name)
