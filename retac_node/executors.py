"""Who makes a job's tasks, by name: this process, or Ray.  Imports Ray for those alone who ask for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from retac_node import config
from retac_node.engine.make import LOCAL, Executor
from retac_node.errors import BadInput

NAMES = ("local", "ray")
TABLE = "retac_node.stages:STAGES"


@contextmanager
def executor(name: str, address: str, device: str, table: str = TABLE) -> Iterator[Executor]:
    """Gives the executor, for as long as it is wanted; `table` is where Ray's workers find the stages: MODULE:NAME.

    Raises BadInput where Ray is not installed or no cluster answers.
    """
    if name == "local":
        if address:
            raise BadInput("--ray-address is of no use without --executor ray; add that, or leave it out")
        yield LOCAL
        return
    if find_spec("ray") is None:
        raise BadInput("--executor ray needs Ray, which is not installed; run: pip install 'retac[ray]'")
    from retac_node.farm.ray import connected

    with connected(config.load().home, address, device, table) as made:
        yield made
