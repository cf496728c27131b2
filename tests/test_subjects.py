"""Faces over time: following, losing and linking them, with a finder that sees painted squares."""

import numpy as np
import pytest

from retac_node.ops.subjects import Box, Face, box_around, link, overlap, track_faces

NOTHING = np.zeros(0, np.float32)


def face(x, width=100.0, y=200.0):
    return Face(NOTHING, NOTHING, 0.9, Box(x, y, width, width, 0.0, 0.9))


class Painted:
    """Finds faces in 'frames' that are lists of their centres; follows one that moved less than 50 pixels."""

    def __init__(self):
        self.searches = 0

    def detect(self, rgb):
        self.searches += 1
        return [face(x).box for x in rgb]

    def landmarks(self, rgb, box):
        near = [x for x in rgb if abs(x - box.x) < 50]
        return face(near[0]) if near else Face(NOTHING, NOTHING, 0.0, box)


def places(clip):
    return [[found.box.x for found in faces] for faces in clip]


def test_a_steady_face_is_searched_for_every_tenth_frame_only():
    finder = Painted()
    frames = [[100.0 + 3 * t] for t in range(30)]
    assert places(track_faces(finder, frames, 0.5)) == frames
    assert finder.searches == 3


def test_a_face_lost_at_a_cut_is_found_in_the_same_frame():
    frames = [[100.0]] * 5 + [[700.0]] * 5
    assert places(track_faces(Painted(), frames, 0.5)) == frames


def test_a_face_that_comes_in_is_seen_within_ten_frames_and_the_first_is_kept():
    frames = [[100.0]] * 3 + [[100.0, 500.0]] * 12
    seen = places(track_faces(Painted(), frames, 0.5))
    assert seen[9] == [100.0]
    assert seen[10] == [100.0, 500.0]


def test_frames_without_a_face_are_empty_and_give_no_subject():
    clip = track_faces(Painted(), [[]] * 4, 0.5)
    assert clip == [[], [], [], []]
    assert link(clip) == []
    assert link([]) == []


def test_a_score_below_the_confidence_asked_for_is_no_face():
    assert track_faces(Painted(), [[100.0]], 0.95) == [[]]


def test_two_people_stay_apart_whatever_the_order_of_their_faces():
    clip = [[face(100.0 + t), face(600.0 - t, 150.0)][:: (-1) ** t] for t in range(20)]
    large, small = link(clip)
    assert [found.box.width for found in large.faces] == [150.0] * 20
    assert [found.box.x for found in small.faces] == [100.0 + t for t in range(20)]


def test_a_gap_is_bridged_and_the_missing_frames_are_left_out():
    clip = [[face(100.0)]] * 5 + [[]] * 80 + [[face(110.0)]] * 5
    (subject,) = link(clip)
    assert subject.frames.tolist() == [*range(5), *range(85, 90)]
    assert subject.frames.dtype == np.int32


def test_a_hard_cut_takes_up_the_nearest():
    clip = [[face(100.0), face(900.0)]] * 5 + [[face(1100.0), face(400.0)]] * 5
    subjects = link(clip)
    assert [[s.faces[0].box.x, s.faces[-1].box.x] for s in subjects] == [[100.0, 400.0], [900.0, 1100.0]]


def test_a_subject_seen_briefly_comes_after_one_seen_throughout():
    clip = [[face(100.0, 100.0)] for _ in range(100)]
    clip[50] = [face(100.0, 100.0), face(700.0, 300.0)]
    assert [len(subject.frames) for subject in link(clip)] == [100, 1]


@pytest.mark.parametrize("angle", [-0.7, 0.0, 0.4])
def test_the_box_around_turned_points_is_the_turned_box(angle):
    points = np.zeros((478, 3), np.float32)
    points[:, :2] = 50.0  # the centre
    points[[33, 263, 10, 152], :2] = [[0, 50], [100, 50], [50, -20], [50, 120]]
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points[:, :2] = points[:, :2] @ turn
    box = box_around(points)
    assert [box.width, box.height, box.roll] == pytest.approx([100, 140, angle], abs=1e-3)
    assert [box.x, box.y] == pytest.approx((np.array([50.0, 50.0]) @ turn).tolist(), abs=1e-3)


def test_overlap_is_one_for_the_same_box_and_zero_for_strangers():
    assert overlap(face(0.0).box, face(0.0).box) == pytest.approx(1)
    assert overlap(face(0.0).box, face(50.0).box) == pytest.approx(1 / 3)
    assert overlap(face(0.0).box, face(200.0).box) == 0
