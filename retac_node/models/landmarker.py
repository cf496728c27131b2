"""Faces in one picture: boxes, 478 landmarks in plate pixels and 52 expression scores.  Never looks at other frames.

Three networks of MediaPipe's face landmarker (Google, Apache-2.0) run on LiteRT: the BlazeFace short-range detector
(Bazarevsky et al. 2019), the attention mesh (Grishchenko et al. 2020) and the blendshape net.  Anchors, suppression and
crops are ours.  Plate pixels are continuous: the first pixel covers [0, 1) and its centre is 0.5.
"""

import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from retac_node import assets
from retac_node.ops.subjects import SAME_FACE, Box, Face, box_around, overlap, rotation

__all__ = ["BLENDSHAPES", "Box", "Face", "Landmarker"]

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

# fmt: off
BLENDSHAPES = (  # left and right are the subject's own; "_neutral" means nothing
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff",
    "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight",
    "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight",
    "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight",
    "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker",
    "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)
# fmt: on

DETECTOR_SIDE = 128  # pixels
MESH_SIDE = 256
CROP_PER_BOX = 1.5  # the mesh net was trained on crops this much wider than the face
DETECTOR_FLOOR = 0.5  # score below which a detection is not one
PRESENCE_FLOOR = 0.1  # a detection whose landmark crop scores less is a plant or a curtain, never a face
SETTLING = 2  # passes of the mesh net that turn a detection into a box
SMALL_FACE = 0.12  # of the searched square: below it the detector is unsure and a finer search follows
FINEST_SQUARE = 256  # plate pixels: no finer search, so faces under about 40 pixels are not seen

# The landmarks the blendshape net reads.
EXPRESSIVE = np.array(
    [0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70, 78, 80]
    + [81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149, 150, 152, 153]
    + [154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195, 197, 234, 246, 249]
    + [251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300, 308, 310, 311, 312, 314]
    + [317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375, 377, 378, 379, 380, 381, 382]
    + [384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454, 466, *range(468, 478)]
)  # (146,)


class Landmarker:
    """Holds the three interpreters.  One thread at a time may use it; make one for each thread."""

    def __init__(self, model: Path | None = None, threads: int = 2) -> None:
        with zipfile.ZipFile(model or assets.path("face_landmarker")) as bundle:
            self._detector = interpreter_of(bundle.read("face_detector.tflite"), threads)
            self._mesh = interpreter_of(bundle.read("face_landmarks_detector.tflite"), threads)
            self._expression = interpreter_of(bundle.read("face_blendshapes.tflite"), 1)

    def detect(self, rgb: U8) -> list[Box]:
        """Finds the faces of an (H, W, 3) picture, largest first; searches finer while it sees none or only small ones.

        Each box is settled around the face's landmarks, so it does not carry the detector's jitter.  Faces of about
        40 pixels are found in a 1080p frame.
        """
        side = max(rgb.shape[:2])
        found: list[Box] = []
        while True:
            for left, top in _tile_corners(rgb.shape[1], rgb.shape[0], side):
                found += self._detect_in(rgb[top : top + side, left : left + side], left, top, side)
            settled = [self._settle(rgb, box) for box in suppress(found)]
            faces = suppress([box for box in settled if box.score > PRESENCE_FLOOR])
            if side // 2 < FINEST_SQUARE or any(box.width > SMALL_FACE * side for box in faces):
                return sorted(faces, key=lambda box: -box.width)
            side //= 2

    def landmarks(self, rgb: U8, box: Box) -> Face:
        """Finds the landmarks of the face in `box`: a detection, or the `Face.box` of the frame before.

        The crop is cut twice, the second time around what the first found, so that the place of `box` is not felt.
        Judge by `score`: where there is no face, it is near 0.
        """
        points, _ = self._mesh_in(rgb, box)
        points, score = self._mesh_in(rgb, box_around(points))
        blendshapes = run_net(self._expression, points[None, EXPRESSIVE, :2])[0]  # (52,)
        return Face(points, blendshapes, score, box_around(points, score))

    def _settle(self, rgb: U8, box: Box) -> Box:
        for _ in range(SETTLING):
            points, score = self._mesh_in(rgb, box)
            box = box_around(points, score)
        return box

    def _detect_in(self, tile: U8, left: int, top: int, side: int) -> list[Box]:
        scale = DETECTOR_SIDE / side
        height, width = (max(1, round(length * scale)) for length in tile.shape[:2])
        square = np.zeros((DETECTOR_SIDE, DETECTOR_SIDE, 3), np.float32)
        square[:height, :width] = cv2.resize(tile, (width, height), interpolation=cv2.INTER_AREA)
        signed = square[None] / np.float32(127.5) - 1  # (1, 128, 128, 3) in [-1, 1]
        raw, logits = run_net(self._detector, signed)  # (1, 896, 16), (1, 896, 1)
        return _decode(raw[0], logits[0, :, 0], np.array([left, top]), side)

    def _mesh_in(self, rgb: U8, box: Box) -> tuple[F32, float]:
        frame_from_crop = crop_square(box)
        crop = np.divide(sample(rgb, frame_from_crop, MESH_SIDE), 255, dtype=np.float32)
        raw, logit, _ = run_net(self._mesh, crop[None])  # (1, 1, 1, 1434), (1, 1, 1, 1)
        points = raw.reshape(478, 3)
        scale = np.hypot(*frame_from_crop[:, 0])
        xy = points[:, :2] @ frame_from_crop[:, :2].T + frame_from_crop[:, 2]  # (478, 2)
        return np.column_stack([xy, points[:, 2] * scale]).astype(np.float32), _sigmoid(float(logit.item()))


def crop_square(box: Box) -> F32:
    """Gives frame_from_crop (2, 3) for the upright square of MESH_SIDE pixels around a box."""
    scale = CROP_PER_BOX * max(box.width, box.height) / MESH_SIDE  # plate pixels in one of the crop
    turn = rotation(box.roll) * scale
    corner = np.array([box.x, box.y]) - turn @ np.full(2, MESH_SIDE / 2)
    return np.column_stack([turn, corner]).astype(np.float32)


def sample(rgb: U8, frame_from_crop: F32, side: int) -> U8:
    """Cuts a (side, side, 3) square; black outside the picture; shrinks by area first, so that nothing shimmers."""
    corners = np.array([[0, 0, 1], [side, 0, 1], [0, side, 1], [side, side, 1]]) @ frame_from_crop.T  # (4, 2)
    shrink = max(1, int(np.hypot(*frame_from_crop[:, 0])))
    low = np.clip(np.floor(corners.min(0)) // shrink * shrink, 0, None).astype(int)
    high = np.clip(np.ceil(corners.max(0)), 0, None).astype(int) + shrink
    part = rgb[low[1] : high[1], low[0] : high[0]]
    height, width = part.shape[0] // shrink, part.shape[1] // shrink
    if height == 0 or width == 0:
        return np.zeros((side, side, 3), np.uint8)
    whole = part[: height * shrink, : width * shrink]
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA) if shrink > 1 else whole
    move = (frame_from_crop - np.column_stack([np.zeros((2, 2)), low])) / shrink
    move[:, 2] += move[:, :2].sum(1) / 2 - 0.5  # OpenCV counts from pixel centres
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(small, move, (side, side), flags=flags), np.uint8)


def suppress(boxes: list[Box]) -> list[Box]:
    """Merges detections of the same face, each weighted by its score: steadier than keeping the best one."""
    left = sorted(boxes, key=lambda box: -box.score)
    merged = []
    while left:
        same = [box for box in left if overlap(left[0], box) > SAME_FACE]
        left = [box for box in left if box not in same]
        rows = np.array([[box.x, box.y, box.width, box.height, box.roll] for box in same])
        weights = np.array([box.score for box in same])
        x, y, width, height, roll = (weights @ rows / weights.sum()).tolist()
        merged.append(Box(x, y, width, height, roll, same[0].score))
    return merged


def interpreter_of(model: bytes, threads: int) -> Interpreter:
    """Makes a LiteRT network ready to run, without the library's greeting on the error stream."""
    with silenced_errors():
        interpreter = Interpreter(model_content=model, num_threads=threads)
        interpreter.allocate_tensors()
    return interpreter


@contextmanager
def silenced_errors() -> Iterator[None]:
    """Sends what native code writes to file descriptor 2 nowhere: LiteRT has no setting for it."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def run_net(interpreter: Interpreter, picture: F32) -> list[F32]:
    """Gives all outputs of a network of one input."""
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def _decode(raw: F32, logits: F32, corner: NDArray[np.int64], side: int) -> list[Box]:
    """Turns (896, 16) offsets from the anchors into boxes on the plate; rows are x, y, w, h and six points."""
    seen = np.flatnonzero(logits > np.log(DETECTOR_FLOOR / (1 - DETECTOR_FLOOR)))
    scale = side / DETECTOR_SIDE
    boxes = []
    for row, anchor, logit in zip(raw[seen], ANCHORS[seen], logits[seen], strict=True):
        x, y = (row[:2] + anchor) * scale + corner
        across = row[6:8] - row[4:6]  # from the subject's right eye to the left
        roll = float(np.arctan2(across[1], across[0]))
        width, height = row[2:4] * scale
        boxes.append(Box(float(x), float(y), float(width), float(height), roll, _sigmoid(float(logit))))
    return boxes


def _anchors() -> F32:
    """Gives the (896, 2) anchor centres in detector pixels: two on each 16 x 16 cell, six on each 8 x 8."""
    grids = []
    for cells, each in ((16, 2), (8, 6)):
        centres = (np.arange(cells) + 0.5) * DETECTOR_SIDE / cells
        x, y = np.meshgrid(centres, centres)
        grids.append(np.repeat(np.column_stack([x.ravel(), y.ravel()]), each, axis=0))
    return np.concatenate(grids).astype(np.float32)


ANCHORS = _anchors()


def _tile_corners(width: int, height: int, side: int) -> list[tuple[int, int]]:
    """Gives left, top of squares that cover the picture, overlapping by about half; one where `side` covers it."""
    lefts, tops = (_starts(length, side) for length in (width, height))
    return [(left, top) for top in tops for left in lefts]


def _starts(length: int, side: int) -> list[int]:
    steps = int(np.ceil(max(length - side, 0) / (side / 2)))
    return [round(step * (length - side) / max(steps, 1)) for step in range(steps + 1)] if steps else [0]


def _sigmoid(logit: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(logit, -50, 50))))
