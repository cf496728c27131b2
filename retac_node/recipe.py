"""From a JobSpec and the user's files to the engine's Job.  Never starts a stage."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from retac_shared.options import EngineName, JobSpec

from retac_node import assets, heads
from retac_node.engine.plan import order
from retac_node.engine.run import Job, Length
from retac_node.engine.stage import Stage
from retac_node.errors import BadInput
from retac_node.models import engines

OWN_WEIGHTS = Path(__file__).parent / "weights"
CHUNK = 32  # output frames that a per-frame stage makes at a time
LENGTH = Length("motion", lambda motion: len(motion.source_frame))


def job(
    stages: Mapping[str, Stage], spec: JobSpec, wanted: tuple[str, ...], sources: Mapping[str, Path], device: str
) -> Job:
    """Makes the job that gives the wanted stages' results; `sources` is sha256 -> file.

    Raises BadInput when a model file that it needs is missing.
    """
    names = order(stages, wanted)
    weights = {weight for name in names for weight in stages[name].weights}
    return Job(
        stages=stages,
        wanted=wanted,
        options={name: getattr(spec, name) for name in names},
        length=LENGTH,
        chunk=CHUNK,
        weight_hashes={weight: weight_hash(weight, spec.voice.engine) for weight in sorted(weights)},
        sources=sources,
        device=device,
    )


def weight_hash(name: str, engine: EngineName = "kokoro") -> str:
    """Gives the sha256 of an asset, or of the project's own weights; "" for an optional asset that is not here.

    The name "engine" stands for all that the voice engine speaks with.
    """
    if name == engines.NAME:
        return engines.fingerprint(engine)
    if "." not in name:
        if assets.find(name).required:
            assets.path(name)
        return assets.sha256_of(name) if assets.available(name) else ""
    if name == heads.NAME and heads.path() != heads.DEFAULT:
        return heads.path().stem  # what it was made from; the file itself says when, too
    path = OWN_WEIGHTS / name
    if not path.is_file():
        raise BadInput(f"{path} is missing from this installation; install retac again")
    return digest(path)


def digest(path: Path) -> str:
    """Gives a file's sha256.  Raises BadInput where it cannot be read."""
    if path.is_dir():
        raise BadInput(f"{path} is a folder; give a file in it")
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist; check the path") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); check its permissions") from None
