import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from retac_node import media
from retac_node.errors import BadInput, OutOfSpace
from tests.clips import MATERIAL, bare_clip, clicks, lag, make_clip, needs_material, number_of, numbered

CODECS = {
    "b-frames.mp4": ("libx264", "yuv420p", {"g": "12", "bf": "3"}),
    "open-gop.mp4": ("libx264", "yuv420p", {"g": "12", "bf": "3", "x264-params": "open-gop=1"}),
    "444.mkv": ("libx264", "yuv444p", {"g": "12", "bf": "2"}),
    "10-bit.mov": ("libx264", "yuv420p10le", {"g": "10"}),
    "stream.ts": ("libx264", "yuv420p", {"g": "12", "bf": "2"}),
    "open.ts": ("libx264", "yuv420p", {"g": "12", "bf": "2", "x264-params": "open-gop=1"}),
    "hevc.mp4": ("libx265", "yuv420p", {"x265-params": "keyint=12:bframes=3:open-gop=1:log-level=error"}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"g": "12", "deadline": "realtime", "cpu-used": "8"}),
    "prores.mov": ("prores_ks", "yuv422p10le", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {"g": "12", "bf": "2"}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
}


def counted(folder: Path, count: int, name: str = "clip.mp4", **more: object) -> Path:
    return make_clip(folder / name, [numbered(k) for k in range(count)], **more)


def grid_of(path: Path) -> list[float]:
    return [start for start, _ in media.picture_times(path)]


@pytest.mark.parametrize("name", CODECS)
def test_any_order_of_frames_equals_sequential_decoding(tmp_path, name):
    codec, pixels, options = CODECS[name]
    path = counted(tmp_path, 60, name, codec=codec, pixels=pixels, options=options)
    clip = bare_clip(path, grid_of(path))
    in_order = list(media.frames(path, clip))
    assert [number_of(frame) for frame in in_order] == list(range(60))
    order = [59, 0, 31, 30, 29, 13, 12, 11, 47, 1, 1, 24, 23, 36, 35, 34, 58]
    for index, frame in zip(order, media.frames_at(path, clip, order), strict=True):
        assert np.array_equal(frame, in_order[index]), index


def test_a_ping_pong_run_decodes_each_picture_at_most_a_few_times(tmp_path, monkeypatch):
    path = counted(tmp_path, 150, options={"g": "250"})
    clip = bare_clip(path, grid_of(path))
    decoded = []
    keep = media.Reader.keep
    monkeypatch.setattr(media.Reader, "keep", lambda reader, picture: (decoded.append(1), keep(reader, picture)))
    order = [*range(150), *reversed(range(149))]
    assert [number_of(frame) for frame in media.frames_at(path, clip, order)] == order
    assert len(decoded) < 3 * 150


def test_a_reader_holds_no_more_than_its_room(tmp_path):
    path = counted(tmp_path, 80)
    reader = media.Reader(path)
    for time in grid_of(path):
        reader.rgb(time)
        assert len(reader.kept) <= media.KEPT
    reader.close()


@pytest.mark.parametrize(("turn", "quarter_turns"), [(90, 1), (180, 2), (270, 3)])
def test_the_display_matrix_is_applied(tmp_path, turn, quarter_turns):
    still = numbered(5)
    path = make_clip(tmp_path / "turned.mp4", [still] * 5, rotation=turn, options={"crf": "4"})
    shown = next(media.frames(path, bare_clip(path, [0.0])))
    facts = media.probe(path)
    assert shown.shape == (facts.height, facts.width, 3)
    assert np.abs(shown.astype(float) - np.rot90(still, quarter_turns)).mean() < 8


def test_a_mirroring_matrix_is_applied():
    grid = np.arange(6).reshape(2, 3)
    assert np.array_equal(media.turned(grid, (-1, 0, 0, 1)), grid[:, ::-1])
    assert np.array_equal(media.turned(grid, (0, 1, 1, 0)), grid.T)
    assert np.array_equal(media.turned(grid, (0, 1, -1, 0)), np.rot90(grid, -1))


def test_odd_sizes_are_kept(tmp_path):
    path = tmp_path / "odd.mp4"
    frames = [numbered(k, 161, 97) for k in range(5)]
    assert media.write_video(path, frames, Fraction(25), 161, 97) == 5
    shown = list(media.frames(path, bare_clip(path, grid_of(path))))
    assert shown[0].shape == (97, 161, 3)
    assert np.abs(shown[4].astype(float) - frames[4]).mean() < 6


def test_oblong_pixels_become_square(tmp_path):
    path = counted(tmp_path, 5, aspect=Fraction(4, 3))
    facts = media.probe(path)
    assert (facts.width, facts.height) == (213, 96)
    assert next(media.frames(path, bare_clip(path, [0.0]))).shape == (96, 213, 3)


@pytest.mark.parametrize(("matrix", "code"), [("ITU709", 1), ("ITU601", 6)])
def test_the_stated_colour_matrix_is_used(tmp_path, matrix, code):
    colour = np.full((64, 64, 3), (200, 60, 90), np.uint8)
    with av.open(str(tmp_path / "c.mp4"), "w") as container:
        track = container.add_stream("libx264", rate=25, width=64, height=64, pix_fmt="yuv420p", options={"crf": "1"})
        track.codec_context.colorspace = code
        for k in range(3):
            picture = av.VideoFrame.from_ndarray(colour, format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=matrix)
            picture.pts = k
            container.mux(track.encode(picture))
        container.mux(track.encode(None))
    shown = next(media.frames(tmp_path / "c.mp4", bare_clip(tmp_path / "c.mp4", [0.0])))
    assert np.abs(shown.astype(int) - colour).max() <= 3


def test_written_video_has_every_frame_and_its_colours(tmp_path):
    path = tmp_path / "out.mp4"
    frames = [numbered(k) for k in range(37)]
    assert media.write_video(path, iter(frames), Fraction(30000, 1001), 160, 96, metadata={"title": "T"}) == 37
    shown = list(media.frames(path, bare_clip(path, grid_of(path))))
    assert [number_of(frame) for frame in shown] == list(range(37))
    assert np.abs(np.mean(shown, axis=(0, 1, 2)) - np.mean(frames, axis=(0, 1, 2))).max() < 2
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        assert track.average_rate == Fraction(30000, 1001)
        assert (track.frames, track.codec_context.colorspace, track.codec_context.profile) == (37, 1, "High")
        assert container.metadata["title"] == "T"


@pytest.mark.parametrize(("rate", "both"), [(48000, False), (44100, True), (24000, False)])
def test_written_sound_is_in_sync_and_as_long_as_the_picture(tmp_path, rate, both):
    path = tmp_path / "out.mp4"
    meant = clicks(2.5, (0.2, 0.9, 1.7), rate)
    sound = np.stack([meant, meant], axis=1) if both else meant
    media.write_video(path, [numbered(k) for k in range(50)], Fraction(25), 160, 96, sound, rate)
    heard, heard_rate = media.read_audio(path)
    assert heard_rate == (rate if rate == 44100 else 48000)  # its own where AAC has it
    assert abs(len(heard) / heard_rate - 2.0) < 0.03
    assert abs(lag(heard, media.resampled(meant, rate, heard_rate), heard_rate)) < 0.001


def test_the_same_frames_give_the_same_bytes(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        frames = [numbered(k) for k in range(12)]
        media.write_video(tmp_path / name, frames, Fraction(25), 160, 96, clicks(0.48, (0.1,)))
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize("name", ["late.mp4", "late.mkv", "late.webm"])
@pytest.mark.parametrize("start", [0.0, 0.4])
def test_sound_starts_at_the_first_picture(tmp_path, name, start):
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    sound = clicks(2.0, (0.3, 1.0))
    path = counted(tmp_path, 60, name, codec=codec, sound=sound, sound_start=start)
    heard, rate = media.read_audio(path)
    meant = np.concatenate([np.zeros(round(start * rate), np.float32), sound])
    assert abs(lag(heard, meant)) < 0.005


def test_sound_ahead_of_a_late_picture_is_cut(tmp_path):
    sound = clicks(2.0, (0.3, 1.0))
    ticks = [k + 10 for k in range(40)]  # the picture starts 0.4 s into the file
    heard, rate = media.read_audio(counted(tmp_path, 40, ticks=ticks, sound=sound))
    assert abs(lag(heard, sound[round(0.4 * rate) :])) < 0.005


def test_a_clip_without_sound_gives_no_samples(tmp_path):
    samples, _ = media.read_audio(counted(tmp_path, 5))
    assert samples.shape == (0,)


def test_sound_files_are_read_and_resampled(tmp_path):
    import soundfile

    soundfile.write(tmp_path / "a.wav", clicks(1.0, (0.5,), 44100), 44100, subtype="PCM_16")
    samples, rate = media.read_audio(tmp_path / "a.wav", 16000)
    assert (samples.shape, samples.dtype, rate) == ((16000,), np.float32, 16000)
    assert abs(int(np.argmax(np.abs(samples))) / 16000 - 0.5015) < 0.003


def test_no_file_stays_open(tmp_path):
    path = counted(tmp_path, 10)
    clip = bare_clip(path, grid_of(path))
    before = len(os.listdir("/proc/self/fd"))
    next(media.frames(path, clip))
    media.probe(path), media.read_audio(path)
    with pytest.raises(BadInput):
        media.probe(Path(__file__))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_playlist_opens_no_other_file(tmp_path):
    counted(tmp_path, 10, "secret.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.ts\n#EXT-X-ENDLIST\n"
    for name, text in (("a.mp4", playlist), ("b.mp4", "ffconcat version 1.0\nfile secret.ts\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(BadInput, match="not a video"):
            media.probe(tmp_path / name)


def test_a_png_holds_the_pixels_exactly(tmp_path):
    media.write_png(tmp_path / "a.png", numbered(3))
    with av.open(str(tmp_path / "a.png")) as container:
        assert np.array_equal(next(container.decode(video=0)).to_ndarray(format="rgb24"), numbered(3))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_named():
    with pytest.raises(OutOfSpace, match="disk"):
        media.write_png(Path("/dev/full"), numbered(3))


@needs_material
def test_seeking_in_real_footage_equals_sequential_decoding():
    path = MATERIAL / "clips" / "vfr_700.mp4"
    clip = bare_clip(path, grid_of(path), 700, 700)
    in_order = [frame.tobytes() for frame in media.frames(path, clip)]
    order = [134, 100, 99, 3, 70, 0]
    assert [frame.tobytes() for frame in media.frames_at(path, clip, order)] == [in_order[k] for k in order]
