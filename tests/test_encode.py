from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from retac_shared.options import EncodeOptions

from retac_node import media
from retac_node.data import Motion, Patches, Speech
from retac_node.errors import BadInput, Cancelled
from retac_node.stages import encode
from tests.clips import MATERIAL, bare_clip, clicks, context, lag, make_clip, needs_material, number_of, numbered


def plate(tmp_path, count=60, sound=None):
    path = make_clip(tmp_path / "plate.mp4", map(numbered, range(count)), sound=sound)
    return path, bare_clip(path, [start for start, _ in media.picture_times(path)])


def motion_over(source_frames):
    frames = len(source_frames)
    flat = np.zeros((frames, 3), np.float32)
    return Motion(25.0, np.zeros((frames, 2), np.float32), flat, flat, np.array(source_frames, np.int32), ("a", "b"))


def speech(seconds, rate=24000):
    samples = clicks(seconds, (0.1, 0.4), rate)
    return Speech(samples, rate, (), (), seconds, float("nan"), synthetic=False)


def patches_of(start, count, corner=(40, 60), side=16):
    rng = np.random.default_rng(start)
    rgb = rng.integers(0, 256, (count, 3, side, side), np.uint8)
    matte = 255 * (rng.random((count, 1, side, side)) > 0.5).astype(np.uint8)
    return Patches(start, np.tile(np.array(corner, np.int32), (count, 1)), rgb, matte)


def read_png(folder, index):
    return cv2.cvtColor(cv2.imread(str(folder / f"{index:06d}.png")), cv2.COLOR_BGR2RGB)


def numbers_in(path):
    times = [start for start, _ in media.picture_times(path)]
    return [number_of(frame) for frame in media.frames(path, bare_clip(path, times))]


def test_free_mode_writes_exactly_the_output_frames_with_the_speech(tmp_path):
    path, clip = plate(tmp_path)
    order = [*range(5, 60), *range(58, 40, -1)]
    context_ = context(tmp_path / "task", path)
    video = encode.run(context_, EncodeOptions(), clip, speech(3.0), motion_over(order), ())
    out = tmp_path / "task" / video.mp4
    heard, rate = media.read_audio(out)
    assert (video.count, video.frames, numbers_in(out)) == (len(order), "", order)
    assert abs(len(heard) / rate - len(order) / 25) < 0.03
    assert abs(lag(heard, media.resampled(speech(3.0).samples, 24000, 48000))) < 0.005
    assert [file.name for file in (tmp_path / "task").iterdir()] == ["video.mp4"]


def test_pixels_outside_the_matte_equal_the_source_and_inside_the_patch(tmp_path):
    path, clip = plate(tmp_path)
    order = [*range(10, 20), *range(19, 13, -1)]
    chunks = (patches_of(0, 10), patches_of(10, 6, corner=(150, -6)))  # the second hangs over two edges
    video = encode.run(
        context(tmp_path / "task", path), EncodeOptions(frames=True), clip, speech(0.6), motion_over(order), chunks
    )
    folder = tmp_path / "task" / video.frames
    names = sorted(path.name for path in folder.glob("*.png"))
    assert sorted(path.name for path in (tmp_path / "task" / video.mattes).iterdir()) == names
    assert len(names) == video.count == 16
    for index, source in enumerate(media.frames_at(path, clip, order)):
        chunk = chunks[index // 10]
        n = index - chunk.start
        padded = np.pad(source, ((32, 32), (32, 32), (0, 0)))
        x, y = chunk.corner[n] + 32
        on = chunk.matte[n, 0] > 0
        padded[y : y + 16, x : x + 16][on] = chunk.rgb[n].transpose(1, 2, 0)[on]
        matte = cv2.imread(str(tmp_path / "task" / video.mattes / names[index]), cv2.IMREAD_UNCHANGED)
        changed = (padded[32:-32, 32:-32] != source).any(2)
        assert (matte[changed] == 255).all()
        assert np.array_equal(read_png(folder, index), padded[32:-32, 32:-32])


def test_slot_mode_replaces_only_the_slot(tmp_path):
    path, clip = plate(tmp_path, sound=clicks(2.4, (0.2, 0.7, 1.3, 2.1)))
    chunk = patches_of(0, 25)
    options = EncodeOptions(frames=True, slot=(15, 40))
    video = encode.run(
        context(tmp_path / "task", path), options, clip, speech(1.0), motion_over(range(15, 40)), (chunk,)
    )
    folder = tmp_path / "task" / video.frames
    assert [path.name for path in sorted((tmp_path / "task" / video.mattes).iterdir())] == [
        path.name for path in sorted(folder.glob("*.png"))
    ]
    assert video.count == 60
    assert numbers_in(tmp_path / "task" / video.mp4) == list(range(60))
    for index, source in enumerate(media.frames(path, clip)):
        same = np.array_equal(read_png(folder, index), source)
        assert same == (not 15 <= index < 40), index


def test_a_slot_outside_the_clip_is_refused(tmp_path):
    _, clip = plate(tmp_path)
    with pytest.raises(BadInput, match="frames 50 to 70"):
        encode.written_frames(EncodeOptions(slot=(50, 70)), clip, motion_over(range(20)))


def test_metadata_names_the_tool_and_the_consent(tmp_path):
    path, clip = plate(tmp_path)
    options = EncodeOptions(consent="release 17")
    encode.run(context(tmp_path / "task", path), options, clip, speech(0.4), motion_over(range(10)), ())
    with av.open(str(tmp_path / "task" / "video.mp4")) as container:
        assert "Re-TTAC" in container.metadata["title"]
        assert "Synthetic: the mouth in this video from 0.000 s to 0.400 s" in container.metadata["comment"]
        assert "release 17" in container.metadata["comment"]


def test_a_cancelled_encode_leaves_no_video(tmp_path):
    path, clip = plate(tmp_path)

    def stop_halfway(fraction, label):
        if fraction > 0.5:
            raise Cancelled

    stopping = replace(context(tmp_path / "task", path), progress=stop_halfway)
    with pytest.raises(Cancelled):
        encode.run(stopping, EncodeOptions(frames=True), clip, speech(2.0), motion_over(range(50)), ())
    assert not (tmp_path / "task" / "video.mp4").exists()


@needs_material
def test_real_footage_keeps_its_pixels_rate_and_count(tmp_path):
    path = MATERIAL / "clips" / "vfr_700.mp4"
    times = [start for start, _ in media.picture_times(path)][:20]
    clip = replace(bare_clip(path, times, 700, 700), fps=Fraction(30))
    options = EncodeOptions(frames=True)
    video = encode.run(context(tmp_path / "task", path), options, clip, speech(0.6), motion_over(range(20)), ())
    for index, source in enumerate(media.frames(path, clip)):
        assert np.array_equal(read_png(tmp_path / "task" / video.frames, index), source)
    assert media.probe(tmp_path / "task" / video.mp4).rates[0] == 30
