from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from retac_shared.options import IngestOptions

from retac_node import media
from retac_node.errors import BadInput, Cancelled
from retac_node.stages import ingest
from tests.clips import MATERIAL, clicks, context, lag, make_clip, needs_material, number_of, numbered

OPTIONS = IngestOptions("c" * 64)
REAL = {  # T, frames a second, W, H, seconds of sound
    "talk_512_25fps.mp4": (200, Fraction(25), 512, 512, 8.0),
    "portrait_1080x1920_hevc.mp4": (502, Fraction(25), 1080, 1920, 20.04),
    "room_1280x720_30fps.mp4": (282, Fraction(30), 1280, 720, 9.43),
    "vfr_700.mp4": (183, Fraction(30), 700, 700, 6.07),
    "occluded_23976_silent.mp4": (472, Fraction(24000, 1001), 640, 360, 19.69),
}


def ingested(tmp_path, path, said=None):
    said = [] if said is None else said
    return ingest.run(replace(context(tmp_path / "task", path), warn=said.append), OPTIONS)


def shown_numbers(path, clip):
    return [number_of(frame) for frame in media.frames(path, clip)]


@pytest.mark.parametrize("fps", ["25", "30000/1001", "24000/1001", "59.94"])
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov"])
def test_a_steady_clip_is_its_own_grid(tmp_path, name, fps):
    count = round(2.2 * float(Fraction(fps)))
    path = make_clip(tmp_path / name, map(numbered, range(count)), fps=Fraction(fps), sound=clicks(2.2, (1.0,)))
    clip = ingested(tmp_path, path)
    assert (len(clip.times), clip.fps, clip.name) == (count, ingest.tidy(Fraction(fps)), name)
    assert (clip.width, clip.height, clip.audio_rate) == (160, 96, 48000)
    assert shown_numbers(path, clip) == list(range(count))


def test_a_variable_rate_clip_keeps_its_duration_and_shows_each_picture_on_time(tmp_path):
    steps = np.random.default_rng(0).choice([1, 1, 2], 70)
    ticks = [int(tick) for tick in np.cumsum(steps) - steps[0]]
    path = make_clip(tmp_path / "v.mp4", map(numbered, range(70)), fps=Fraction(30), ticks=ticks)
    said = []
    clip = ingested(tmp_path, path, said)
    assert (clip.fps, len(clip.times)) == (30, ticks[-1] + 1)
    expected = [int(np.searchsorted(ticks, k, side="right")) - 1 for k in range(ticks[-1] + 1)]
    assert shown_numbers(path, clip) == expected
    assert "variable" in said[0]


def test_jittered_times_lose_no_picture():
    times = np.arange(300) / 29.98 + np.random.default_rng(1).uniform(-0.006, 0.006, 300)
    fps, shown = ingest.grid(np.sort(times), [Fraction(30), Fraction(2998, 100)])
    assert abs(fps - 30) < 0.1
    assert np.array_equal(shown, np.arange(300))


def test_a_dropped_picture_is_held_not_closed_up():
    times = np.delete(np.arange(100) / 25, 40)
    fps, shown = ingest.grid(times, [Fraction(25)])
    assert (fps, len(shown)) == (25, 100)
    assert shown[39] == shown[40] == 39


def test_turned_clips_are_upright(tmp_path):
    path = make_clip(tmp_path / "t.mp4", map(numbered, range(55)), rotation=90)
    clip = ingested(tmp_path, path)
    assert (clip.width, clip.height) == (96, 160)


def test_what_an_edit_list_hides_is_no_part_of_the_clip(tmp_path):
    whole = make_clip(tmp_path / "whole.mp4", map(numbered, range(80)), options={"g": "250"}, sound=clicks(3.2, (1, 2)))
    path = tmp_path / "trimmed.mp4"
    with av.open(str(whole)) as old, av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as new:
        tracks = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for packet in old.demux():
            if packet.dts is not None:
                early = round(Fraction(10, 25) / packet.time_base)  # the first ten pictures fall before zero
                packet.pts, packet.dts = packet.pts - early, packet.dts - early
                packet.stream = tracks[packet.stream.index]
                new.mux(packet)
    clip = ingested(tmp_path, path)
    assert shown_numbers(path, clip) == list(range(10, 80))
    assert abs(lag(clip.audio, clicks(2.8, (0.6, 1.6)))) < 0.005


def test_fast_sound_is_brought_to_48_khz(tmp_path, monkeypatch):
    path = make_clip(tmp_path / "t.mp4", map(numbered, range(55)))
    monkeypatch.setattr(media, "read_audio", lambda path: (np.zeros(96000 * 2, np.float32), 96000))
    clip = ingested(tmp_path, path)
    assert (len(clip.audio), clip.audio_rate) == (48000 * 2, 48000)


def missing(path):
    return path


def text(path):
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n\n" * 20)


def nothing(path):
    path.write_bytes(b"")


def moov_cut_off(path):
    make_clip(path, map(numbered, range(60)))
    path.write_bytes(path.read_bytes()[:-3000])


def pictures_cut_off(path):
    make_clip(path, map(numbered, range(100)), options={"g": "5"}, ticks=None)
    faststart(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def faststart(path):
    """Moves the index to the front without decoding."""
    moved = path.with_name("moved.mp4")
    with av.open(str(path)) as old, av.open(str(moved), "w", options={"movflags": "faststart"}) as new:
        track = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = track
                new.mux(packet)
    moved.replace(path)


def sound_alone(path):
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 48000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))


def wav(path):
    soundfile.write(path, np.zeros(48000, np.float32), 48000, format="WAV")


def cover_art(path):
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25, width=160, height=96, pix_fmt="yuvj420p")
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(numbered(1), format="rgb24").reformat(format="yuvj420p")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        for head in range(0, 48000, 1024):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48000, head
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def one_second(path):
    make_clip(path, map(numbered, range(25)))


def one_picture(path):
    make_clip(path, [numbered(0)])


def too_fast(path):
    make_clip(path, (numbered(k % 900) for k in range(500)), fps=Fraction(240))


def still_image(path):
    media.write_png(path, numbered(1))


BAD = {
    missing: "there is no file",
    text: "not a video",
    nothing: "empty",
    moov_cut_off: "moov",
    pictures_cut_off: r"ends at [12]\.\d s of the 4.0 s",
    sound_alone: "no video track",
    wav: "no video track",
    cover_art: "cover picture",
    one_second: "1.0 s",
    one_picture: "a single picture",
    too_fast: "120",
    still_image: "not a video",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_bad_input_is_named_in_one_sentence(tmp_path, make):
    path = tmp_path / "bad.mp4"
    make(path)
    with pytest.raises(BadInput, match=BAD[make]) as raised:
        ingested(tmp_path, path)
    assert "bad.mp4" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("size", "seconds"), [((9000, 96), 4.0), ((160, 96), 700.0)])
def test_sizes_are_bounded(size, seconds):
    facts = media.Facts(*size, 0, (Fraction(25),), seconds, False, False)
    with pytest.raises(BadInput, match=r"bad\.mp4"):
        ingest.check_size("bad.mp4", facts)


def test_a_damaged_middle_is_bridged(tmp_path):
    path = make_clip(tmp_path / "d.avi", map(numbered, range(75)), codec="mjpeg", pixels="yuvj420p")
    data = bytearray(path.read_bytes())
    middle = data.index(b"00dc", len(data) // 2) + 8
    data[middle : middle + 200] = bytes(200)
    path.write_bytes(bytes(data))
    clip = ingested(tmp_path, path)
    assert len(clip.times) == 75
    assert shown_numbers(path, clip)[-5:] == [70, 71, 72, 73, 74]


def test_reading_can_be_cancelled(tmp_path):
    path = make_clip(tmp_path / "t.mp4", map(numbered, range(55)))

    def stop(fraction, label):
        raise Cancelled

    with pytest.raises(Cancelled):
        ingest.run(replace(context(tmp_path / "task", path), progress=stop), OPTIONS)


@needs_material
@pytest.mark.parametrize("name", sorted(REAL.keys() - {"portrait_1080x1920_hevc.mp4"}))
def test_real_clips_have_their_known_facts(tmp_path, name):
    clip = ingested(tmp_path, MATERIAL / "clips" / name)
    seconds = len(clip.audio) / clip.audio_rate
    assert (len(clip.times), clip.fps, clip.width, clip.height) == REAL[name][:4]
    assert abs(seconds - REAL[name][4]) < 0.01


@needs_material
@pytest.mark.slow
def test_a_large_real_clip_has_its_known_facts(tmp_path):
    test_real_clips_have_their_known_facts(tmp_path, "portrait_1080x1920_hevc.mp4")
