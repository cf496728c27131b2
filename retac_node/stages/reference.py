"""A recording of a voice in the place of a clip, for a line that no picture goes with.  Never looks for pictures."""

from fractions import Fraction

import numpy as np
from retac_shared.options import IngestOptions

from retac_node import media
from retac_node.data import Clip
from retac_node.engine.stage import Context
from retac_node.errors import BadInput

NO_RATE = Fraction(1)  # frames a second of no frames


def run(ctx: Context, options: IngestOptions) -> Clip:
    """Reads the sound of an audio or video file.  Raises BadInput where there is none."""
    path = ctx.source(options.sha256)
    samples, rate = media.read_audio(path)
    if len(samples) == 0:
        raise BadInput(f"{path.name} has no sound to take the voice from; give a recording of someone speaking")
    return Clip(options.sha256, path.name, NO_RATE, np.zeros(0), 0, 0, samples, rate)
