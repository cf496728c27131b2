"""The box around the mouth in which the refiner works: of one size for the clip, following the lips, resampled to SIDE."""

from dataclasses import dataclass

import cv2
import numpy as np

from retac_node.data import F32, U8, FaceTrack
from retac_node.models.puppet import Rig, source_places
from retac_node.models.refiner import OWN_SIDE, SIDE

ROOM = 1.15  # around the spoken region
SAMPLED = 60  # frames that the size is read from


@dataclass(frozen=True)
class MouthBox:
    side: float  # crop pixels
    rig: Rig

    def box_from_crop(self, at: F32, side: int = SIDE) -> F32:
        """Gives the (2, 3) transform for the rig's places (V + 20, 3) in a crop, in OpenCV's pixel centres."""
        scale = side / self.side
        corner = at[-20:, :2].mean(0) - self.side / 2  # around the inner lips
        move = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
        move[:, 2] += (scale - 1) / 2
        return move.astype(np.float32)

    def take(self, picture: U8, at: F32) -> U8:
        """Brings the mouth of a crop (h, w, c) to (SIDE, SIDE, c)."""
        return taken(picture, self.box_from_crop(at), SIDE)

    def take_small(self, picture: U8, at: F32) -> U8:
        """The same at OWN_SIDE, as the memory is read."""
        return taken(picture, self.box_from_crop(at, OWN_SIDE), OWN_SIDE)

    def give(self, correction: F32, at: F32, size: int) -> F32:
        """Brings a correction (SIDE, SIDE, c) back to the crop (size, size, c); 0 outside the box."""
        move = self.box_from_crop(at)
        return cv2.warpAffine(correction, move, (size, size), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)


def taken(picture: U8, move: F32, side: int) -> U8:
    shrink = 1 / float(move[0, 0])
    smooth = cv2.GaussianBlur(picture, (0, 0), 0.4 * shrink) if shrink > 1.3 else picture
    return cv2.warpAffine(smooth, move, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def mouth_box(rig: Rig, track: FaceTrack) -> MouthBox:
    frames = np.unique(np.linspace(0, len(track.confidence) - 1, SAMPLED).astype(np.int32))
    spoken = rig.spoken[:, 0] > 0.05
    spoken[: len(rig.head.mean)] &= np.isin(np.arange(len(rig.head.mean)), rig.triangles)
    at = source_places(rig, track, frames)[:, spoken, :2]  # (n, v, 2)
    extent = (at.max(1) - at.min(1)).max(1)
    return MouthBox(float(np.percentile(extent, 90)) * ROOM, rig)
