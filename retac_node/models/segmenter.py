"""What each pixel of a crop is: background, hair, body skin, face skin, clothes or accessories.  One picture at a time.

MediaPipe's selfie multiclass net (Google, Apache-2.0) on LiteRT.  It is optional: ask `available()` first.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from retac_node import assets
from retac_node.models.landmarker import interpreter_of, run_net

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

CLASSES = ("background", "hair", "body", "face", "clothes", "accessories")
BACKGROUND, HAIR, BODY, FACE, CLOTHES, ACCESSORIES = range(6)  # channels of `Segmenter.classes`
SIDE = 256  # pixels, of the net's picture


class Segmenter:
    """Holds the interpreter.  One thread at a time may use it."""

    def __init__(self, model: Path | None = None, threads: int = 2) -> None:
        chosen = model if model is not None else assets.path("selfie_multiclass")
        self._net = interpreter_of(chosen.read_bytes(), threads)

    @staticmethod
    def available() -> bool:
        """Says whether the model file is there and right."""
        return assets.available("selfie_multiclass")

    def classes(self, rgb: U8) -> F32:
        """Gives (h, w, 6) probabilities of an (h, w, 3) crop, which is stretched to the net's square and back.

        It was trained on whole portraits: give the head with hair and shoulders, about twice the face's width.
        """
        height, width = rgb.shape[:2]
        shrinks = max(height, width) > SIDE
        small = cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        signed = np.divide(small, 127.5, dtype=np.float32) - 1  # [-1, 1]
        (logits,) = run_net(self._net, signed[None])  # (1, 256, 256, 6)
        powers = np.exp(logits[0] - logits[0].max(2, keepdims=True))
        shares = powers / powers.sum(2, keepdims=True)  # (256, 256, 6)
        return np.asarray(cv2.resize(shares, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
