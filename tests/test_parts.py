"""The files that a job gives on its way: what is in them, and that one the node has is not made again."""

from fractions import Fraction

import cv2
import numpy as np
from retac_shared.motion import load_motion

from retac_node import media, parts
from retac_node.data import Motion, Patches, Video
from retac_node.models.head import load_head
from retac_node.stages import ingest
from retac_node.stages.ingest import IngestOptions
from retac_node.stages.mesh import face_mesh
from tests.clips import context, number_of
from tests.fake_dub import UNITS, face_track, small_clip


def desktop(clip, **results):
    return parts.Desktop(clip, results.__getitem__, dict, list)


def still(frames):
    turn = np.zeros((len(frames), 3), np.float32)
    return Motion(25.0, np.zeros((len(frames), 64), np.float32), turn, turn, np.array(frames, np.int32), UNITS)


def test_the_mesh_is_the_persons_head_with_its_texture():
    texture = np.zeros((64, 64, 3), np.uint8)
    texture[:32, :, 0] = 255  # the upper half is red
    model = load_head()
    mesh = face_mesh(model, face_track(2, 64, 48), texture)
    assert mesh.vertices.shape == model.mean.shape
    assert mesh.expression_basis.shape == model.expression.shape
    assert (mesh.colour[mesh.uv[:, 1] > 0.6, 0] == 255).all()  # v goes up
    assert (mesh.colour[mesh.uv[:, 1] < 0.4, 0] == 0).all()


def test_previews_are_whole_pictures_with_the_patch_in_them(tmp_path):
    clip = small_clip(tmp_path / "clip.mp4")
    facts = ingest.run(context(tmp_path / "task", clip), IngestOptions("c" * 64))
    assert facts.fps == Fraction(25)
    corner, red = np.tile(np.array([0, 80], np.int32), (2, 1)), np.zeros((2, 3, 16, 16), np.uint8)
    red[:, 0] = 255
    patches = Patches(8, corner, red, np.full((2, 1, 16, 16), 255, np.uint8))
    made = list(parts.previews(desktop(clip, ingest=facts, motion=still(range(30, 60))), patches, (8, 10)))
    assert [name for name, _ in made] == ["preview/000008.jpg", "preview/000009.jpg"]
    for n, (_, write) in enumerate(made):
        write(tmp_path / "p.jpg")
        picture = cv2.imread(str(tmp_path / "p.jpg"))[..., ::-1]
        assert number_of(picture) == 38 + n
        assert picture[88, 8, 0] > 200
    assert media.probe(clip).width == picture.shape[1]


def test_curves_and_finished_files_are_given_as_they_are(tmp_path):
    files = ["video.mp4", "frames/000000.png", "mattes/000000.png", "frames/000001.png", "mattes/000001.png"]
    for name in ("frames", "mattes"):
        (tmp_path / name).mkdir()
    for name in files:
        (tmp_path / name).write_text(name)
    made = dict(parts.video(desktop(tmp_path), Video(str(tmp_path), "video.mp4", "frames", "mattes", 2), None))
    assert list(made) == files
    for name, write in made.items():
        write(tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == name
        (tmp_path / "copy").unlink()
    ((name, write),) = parts.curves(desktop(tmp_path), still([3, 4]), None)
    write(tmp_path / name)
    assert load_motion(tmp_path / "motion.npz").source_frame.tolist() == [3, 4]
