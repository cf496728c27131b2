"""The report page: it stands alone, shows what it is given, and survives the thinnest of jobs."""

import dataclasses
import re
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
from retac_shared.options import ReportOptions

from retac_node import assets, media
from retac_node.data import Adapted, Clip, FaceTrack, Motion, Report, Speech, Timed, Video
from retac_node.engine.stage import Context
from retac_node.ops import chart, markup, metrics
from retac_node.stages import report, report_voice
from tests.clips import context, make_clip

FRAMES, SIDE = 40, 96
NAMES = ("jawOpen", "mouthSmileLeft", "mouthSmileRight")
WORDS = (Timed("Fish", 0.1, 0.4), Timed("<&>", 0.4, 0.8), Timed("chips", 0.9, 1.3))
VOID = {"meta", "img", "br", "line", "rect", "path", "circle"}


needs_voices = pytest.mark.skipif(not assets.available("speaker_encoder"), reason="no speaker encoder here")


def fake_talk(pitch: float) -> np.ndarray:
    """Four seconds of a buzz in syllables at 16 kHz."""
    time = np.arange(64_000) / 16_000
    buzz = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12))
    return (0.1 * buzz * (np.sin(2 * np.pi * 4 * time) > -0.5)).astype(np.float32)


class Tags(HTMLParser):
    """Checks that each tag is closed, and gathers what the page refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.refers, self.seen = list[str](), list[str](), list[str]()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.refers += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag in VOID or self.open.pop() == tag


@dataclasses.dataclass(frozen=True)
class Given:
    ctx: Context
    clip: Clip
    speech: Speech
    track: FaceTrack
    adapted: Adapted
    motion: Motion
    video: Video

    def page(self, options: ReportOptions | None = None) -> str:
        made = self.report(options)
        return (Path(made.folder) / made.html).read_text()

    def report(self, options: ReportOptions | None = None) -> Report:
        """Runs the stage on what is given."""
        return report.run(
            self.ctx,
            options or ReportOptions(),
            self.clip,
            self.speech,
            self.track,
            self.adapted,
            self.motion,
            self.video,
        )


@pytest.fixture
def given(tmp_path: Path) -> Given:
    rng = np.random.default_rng(0)
    pictures = [np.full((SIDE, SIDE, 3), 5 * n, np.uint8) for n in range(FRAMES)]
    path = make_clip(tmp_path / "a<b>.mp4", pictures)
    ctx = context(tmp_path / "task", path)
    times = np.array([start for start, _ in media.picture_times(path)])
    sound = rng.normal(0, 0.1, 36000).astype(np.float32)
    clip = Clip("c" * 64, path.name, Fraction(25), times, SIDE, SIDE, sound, 24000)
    turns = rng.normal(0, 0.1, (FRAMES, 3)).astype(np.float32)
    units = rng.uniform(0, 1, (FRAMES, 3)).astype(np.float32)
    points = np.tile(rng.uniform(30, 70, (478, 3)).astype(np.float32), (FRAMES, 1, 1))
    confidence = np.ones(FRAMES, np.float32)
    confidence[7:9] = 0
    points[7:9] = np.nan
    once, crops = np.zeros(1), np.tile(np.eye(2, 3, dtype=np.float32), (FRAMES, 1, 1))
    track = FaceTrack(once, once, units, turns, turns, once, 1.0, crops, 16, points, confidence, SIDE, SIDE)
    motion = Motion(25.0, units[::-1].copy(), turns, turns, np.arange(FRAMES, dtype=np.int32), NAMES)
    video = Video(str(make_clip(ctx.folder / "video.mp4", pictures).parent), "video.mp4", "", "", FRAMES)
    speech = Speech(sound, 24000, WORDS, (Timed("f", 0.1, 0.2),), 1.6, 0.8125)
    return Given(ctx, clip, speech, track, Adapted({}, "", {"held-out gain dB": 0.625}), motion, video)


def test_the_page_stands_alone(given: Given) -> None:
    page = given.page(ReportOptions("my shot #1.mp4"))
    tags = Tags(page)
    assert [item for item in tags.refers if not item.startswith("data:image/")] == ["my%20shot%20%231.mp4"]
    assert "script" not in tags.seen
    assert not re.search(r"https?://|@import|url\(", page)


def test_what_is_given_is_shown_and_escaped(given: Given) -> None:
    page = given.page(ReportOptions("a<b>.mp4", "file <7>"))
    for shown in ("Re-voiced: a&lt;b&gt;.mp4", "Fish &lt;&amp;&gt; chips", "0.81", "0.625", "file &lt;7&gt;", "c" * 64):
        assert shown in page
    assert "$" not in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page)


def test_the_line_stands_there_as_it_was_written(given: Given) -> None:
    page = given.page(ReportOptions(text="[Fish](F IH1 SH), *and* [pause 0.5] <chips>!"))
    assert "“Fish, and &lt;chips&gt;!”" in page


def test_it_says_what_is_synthetic(given: Given) -> None:
    assert "partly synthetic" in given.page()
    assert "No consent reference was given" in given.page()


def test_bridged_frames_are_flagged(given: Given) -> None:
    page = given.page()
    assert "Bridged frames, flagged in red: 7–8." in page
    assert "In 2 output frames no face was seen" in page
    assert page.count('<rect class="bad"') == 1


def test_the_score_is_that_of_the_histograms(given: Given) -> None:
    angles = metrics.pose_degrees(given.track.rotation)
    moved = dataclasses.replace(given.motion, rotation=given.motion.rotation * 2)
    expected = metrics.pose_similarity(angles, metrics.pose_degrees(moved.rotation))
    assert f"<b>{expected:.3f}</b>" in dataclasses.replace(given, motion=moved).page()
    assert expected < 0.999


def test_a_slot_is_compared_with_its_own_place_in_the_video(given: Given) -> None:
    behind = np.arange(10, 30, dtype=np.int32)
    part = Motion(
        25.0,
        given.motion.expression[10:30],
        given.motion.rotation[10:30],
        given.motion.translation[10:30],
        behind,
        NAMES,
    )
    page = dataclasses.replace(given, motion=part).page()
    assert "20 of its 40 frames" in page
    times = [float(time) for time in re.findall(r"<span>([\d.]+) s</span>", page)]
    assert len(times) == 2 * report.PAIRS
    assert 0.4 < min(times) < max(times) < 1.2


def test_a_line_that_outlasts_the_clip_is_told(given: Given) -> None:
    behind = np.r_[0:40, 38:18:-1].astype(np.int32)
    count = len(behind)
    make_clip(given.ctx.folder / "video.mp4", [np.zeros((SIDE, SIDE, 3), np.uint8)] * count)
    turned = Motion(25.0, np.zeros((count, 3)), np.zeros((count, 3)), np.zeros((count, 3)), behind, NAMES)
    video = dataclasses.replace(given.video, count=count)
    assert "run back and forth, with 1 turn" in dataclasses.replace(given, motion=turned, video=video).page()


def test_the_thinnest_job_still_has_a_page(given: Given) -> None:
    """One frame, no words, no sound in the clip, similarity not measured, units of an unknown head."""
    one = Motion(25.0, np.zeros((1, 1)), np.zeros((1, 3)), np.zeros((1, 3)), np.zeros(1, np.int32), ("smirk",))
    make_clip(given.ctx.folder / "video.mp4", [np.zeros((SIDE, SIDE, 3), np.uint8)])
    silent = dataclasses.replace(given.clip, audio=np.zeros(0, np.float32))
    speech = Speech(np.zeros(960, np.float32), 24000, (), (), 0.04, float("nan"))
    thin = dataclasses.replace(
        given, clip=silent, speech=speech, motion=one, video=dataclasses.replace(given.video, count=1)
    )
    page = thin.page()
    Tags(page)
    assert "not measured" in page
    assert "no sound of its own" in page


def test_the_caller_adds_timings_and_warnings(given: Given) -> None:
    page = markup.with_run(given.page(), {"track": 38.24}, ["it is <dark>"])
    Tags(page)
    assert "<td>track</td><td>38.2 s</td>" in page
    assert "it is &lt;dark&gt;" in page


def test_what_can_be_compared_between_jobs_is_given_as_figures_and_a_small_picture(given: Given) -> None:
    made = dataclasses.replace(given, adapted=Adapted({}, "", {"frames": 3.0})).report()  # that were learnt from
    assert made.figures["voice similarity"] == pytest.approx(given.speech.similarity)
    assert made.figures["frames"] == len(given.motion.source_frame)
    assert 0 <= made.figures["pose similarity"] <= 1
    assert np.isnan(made.figures["lips shut"])  # the motion's names are not the head's
    assert cv2.imread(str(Path(made.folder) / made.picture)).shape[1] == min(SIDE, report.PICTURE_WIDTH)


# ---- the voice


@needs_voices
def test_the_voice_is_shown_beside_the_one_that_was_cloned(given: Given, tmp_path: Path) -> None:
    talk = fake_talk(150.0)
    soundfile.write(tmp_path / "voice.wav", talk, 16_000)
    ctx = dataclasses.replace(given.ctx, sources={**given.ctx.sources, "v" * 64: tmp_path / "voice.wav"})
    speech = Speech.of(fake_talk(140.0), 16_000, WORDS, (), 0.9)
    page = dataclasses.replace(given, ctx=ctx, speech=speech).page(ReportOptions(reference="v" * 64))
    Tags(page)
    assert page.count('class="heat"') == 2
    assert "The voice that was given" in page
    assert page.count("<circle") == 28 + 2
    assert "new line</text>" in page


@needs_voices
def test_the_same_voice_lies_on_itself() -> None:
    one = report_voice.Recording("a", fake_talk(150.0), 16_000)
    shown = report_voice.likeness(one, one)
    assert "Cosine 1.00" in shown
    circles = re.findall(r'<circle class="(?:src|out)" cx="([\d.]+)" cy="([\d.]+)"', shown)
    assert circles[0] == circles[1]


def test_silence_has_no_likeness() -> None:
    quiet = report_voice.Recording("a", np.zeros(16_000, np.float32), 16_000)
    assert report_voice.likeness(quiet, quiet) == ""


def test_principal_components_keep_what_lies_in_a_plane() -> None:
    rng = np.random.default_rng(0)
    flat, _ = np.linalg.qr(rng.normal(size=(9, 2)))
    points = rng.normal(size=(12, 2)) @ flat.T + 3  # (12, 9)
    places, share = report_voice.plane(points)
    assert share == pytest.approx(1)
    apart = [np.linalg.norm(each[:, None] - each[None], axis=2) for each in (points, places)]
    assert apart[0] == pytest.approx(apart[1])


# ---- drawings


def test_names_of_dots_never_overlap() -> None:
    dots = [chart.Dot("other", f"voice{n:02}", n % 3 / 50, n / 1200) for n in range(90)]
    shown = chart.scatter(dots, "dots", 510, 360)
    found = re.findall(r'<text class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)"', shown)
    at = np.array([(float(x) - 7 * chart.LETTER * (side == "end"), float(y)) for x, y, side in found])
    assert 3 <= len(at) < 90
    near = np.abs(at[:, None] - at[None]) + 1e3 * np.eye(len(at))[..., None]
    assert not ((near[..., 0] < 7 * chart.LETTER - 0.2) & (near[..., 1] < chart.ROW - 4.2)).any()


def test_words_in_a_row_never_overlap() -> None:
    words = [Timed("antidisestablishment", n / 10, n / 10 + 0.1) for n in range(40)]
    rows = chart.word_rows(words, 0, 10)
    for row in set(rows):
        starts = [word.start for word, place in zip(words, rows, strict=True) if place == row]
        assert min(np.diff(starts), default=9) >= 20 * chart.LETTER / chart.WIDTH * 10


def test_long_speech_is_broken_into_strips(given: Given) -> None:
    long = dataclasses.replace(given.speech, samples=np.zeros(25 * 24000, np.float32), seconds=25.0)
    assert report_voice.waves(long).count("waveform with words") == 3


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-15, 3), (0.0001, 0.0009), (5, 5), (0, 240)])
def test_ticks_are_few_round_and_inside(low: float, high: float) -> None:
    found = chart.ticks(low, high, 4)
    assert len(found) <= 5
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    assert np.ptp(np.diff(found)) < 1e-9 if len(found) > 2 else True


def test_runs_list_every_gap() -> None:
    assert chart.runs(np.array([1, 0, 0, 1, 1], bool)) == [(0, 1), (3, 5)]
    assert chart.runs(np.zeros(3, bool)) == []
