"""The node's sentences in the artist's words: it names the options of its command line, and here are the fields for them.

Knows nothing of Blender; a test sees to it that the fields are there.
"""

import re

OPTION = re.compile(r"--([a-z]+(?:-[a-z]+)*)")
FIELDS = {
    "text": "Text",
    "audio": "Sound",
    "voice": "Voice",
    "start": "First",
    "end": "Last",
    "pose": "Head",
    "quality": "Quality",
    "train-minutes": "Training",
    "frames": "Image Sequence",
    "mattes": "Matte",
    "subject": "Person",
    "lens": "Lens",
    "consent": "Consent",
    "seed": "Seed",
}  # option -> label of the field in the sidebar


def for_artists(sentence: str) -> str:
    """Names the fields of the sidebar where the node names options; an option of the node's own is said to be that."""
    return OPTION.sub(
        lambda found: f"“{FIELDS[found[1]]}”" if found[1] in FIELDS else f"the node's {found[1]}", sentence
    )
