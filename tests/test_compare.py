"""The side-by-side video: as long as the second clip, the first beside it at the same time."""

from fractions import Fraction

import numpy as np

from retac_node import compare, media, media_out


def clip(path, shades, fps):
    frames = (np.full((64, 48, 3), shade, np.uint8) for shade in shades)
    media_out.write_video(path, frames, Fraction(fps), 48, 64)
    return path


def test_the_second_clip_leads_and_the_first_holds_its_last_picture(tmp_path):
    before = clip(tmp_path / "before.mp4", [40, 80], fps=10)
    after = clip(tmp_path / "after.mp4", [200] * 10, fps=20)
    out = tmp_path / "out" / "both.mp4"
    assert compare.main([str(before), str(after), "-o", str(out)]) == 0
    times = compare.start_times(out)
    reader = media.Reader(out)
    shades = [int(reader.rgb(time)[-8:, 8:40].mean()) for time in times]
    reader.close()
    assert np.allclose(shades, [40, 40] + [80] * 8, atol=4)


def test_a_missing_clip_ends_with_code_2_and_no_file(tmp_path, capsys):
    out = tmp_path / "both.mp4"
    assert compare.main([str(tmp_path / "no.mp4"), str(tmp_path / "none.mp4"), "-o", str(out)]) == 2
    assert "none.mp4" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
