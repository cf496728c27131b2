"""The table of rasterisers.  All draw the same; which one draws is chosen once, where the device is known."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray

from retac_node.ops import raster
from retac_node.ops.raster import I32, Raster

Rasterise = Callable[[NDArray[Any], I32, int, int], Raster]  # frames (n, V, 3), triangles (F, 3), height, width


def with_numba(device: str) -> Rasterise:
    """Draws on the processor whatever the device: the others' results come back to it as well."""
    return raster.rasterise_frames


def with_torch(device: str) -> Rasterise:
    from retac_node.ops import raster_torch  # torch takes seconds to import

    return partial(raster_torch.rasterise_frames, device=device)


def with_pytorch3d(device: str) -> Rasterise:
    from retac_node.ops import raster_pytorch3d  # an optional package

    return partial(raster_pytorch3d.rasterise_frames, device=device)


RASTERISERS: dict[str, Callable[[str], Rasterise]] = {
    "numba": with_numba,
    "torch": with_torch,
    "pytorch3d": with_pytorch3d,
}
BY_DEVICE = {"cpu": "numba", "cuda": "torch"}


def rasteriser(device: str) -> Rasterise:
    """Gives the rasteriser that is used on "cpu" or "cuda"."""
    return RASTERISERS[BY_DEVICE[device]](device)


def one_frame(rasterise: Rasterise, vertices: NDArray[Any], triangles: I32, height: int, width: int) -> Raster:
    """Draws a single frame, vertices (V, 3)."""
    drawn = rasterise(vertices[None], triangles, height, width)
    return Raster(drawn.triangle[0], drawn.bary[0], drawn.depth[0])


def installed() -> list[str]:
    """Lists the rasterisers that can be used here."""
    return [name for name in RASTERISERS if name != "pytorch3d" or find_spec("pytorch3d")]
