"""Packs a picture into a page, so that the page needs no file beside it.  Never reads or writes one."""

from base64 import b64encode

import cv2

from retac_node.data import U8


def as_uri(rgb: U8, kind: str) -> str:
    """Gives a picture (h, w, 3) as the address of itself; `kind` is ".jpg" or ".png"."""
    done, data = cv2.imencode(kind, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    assert done, f"a picture of {rgb.shape} cannot be packed as {kind}"
    return f"data:image/{ {'.jpg': 'jpeg', '.png': 'png'}[kind] };base64,{b64encode(data.tobytes()).decode()}"


def in_colours(values: U8) -> U8:
    """Gives grey (h, w) the colours (h, w, 3) of a map from black over red to light yellow."""
    return cv2.cvtColor(cv2.applyColorMap(values, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB)
