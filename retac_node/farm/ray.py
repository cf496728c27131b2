"""Has tasks made by Ray, on this machine or on a cluster of hosts: one Ray task for each task of the plan.

Only names go through Ray, see maker.py.  Results lie in the cache's folder, which every host sees under the same path.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from msgspec import msgpack

from retac_node.engine.make import Bench, Ears
from retac_node.engine.plan import Task
from retac_node.errors import BadInput, OutOfSpace, Refused, RetacError
from retac_node.farm.crew import Crew, Needs
from retac_node.farm.maker import Ended, Maker, News, errand, stages_of

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}  # nothing leaves the machine, or is printed
OBJECTS = 100 << 20  # bytes of Ray's store, which holds none of ours; it takes no less than 75 MiB
STARTS = 4  # of a cluster of our own: Ray gives one up after half a minute, and a busy machine takes longer
RESTARTS = 12  # of one task whose worker is lost: farms take machines away, and a training goes on from where it was
TRIES = 3  # of one task in which a stage made a mistake, each on another worker
POLL = 0.25  # seconds between two looks at a task; each costs a millisecond here and on the worker
KNOWN = {kind.__name__: kind for kind in (BadInput, OutOfSpace, Refused)}


class Mistake(Exception):
    """A stage failed as it should not; the message is the worker's traceback."""


class Ray:
    """Has tasks made by Ray's workers."""

    def __init__(self, ray: Any, table: str, home: Path, device: str) -> None:
        self.ray, self.table, self.home = ray, table, home
        self.cuda = device != "cpu" and ray.cluster_resources().get("GPU", 0) > 0
        if device == "cuda" and not self.cuda:
            raise BadInput("--device cuda: the Ray cluster has no GPU; leave --device out to use its processors")
        self.address = ray.get_runtime_context().gcs_address  # where other processes join the cluster
        self.maker = ray.remote(Maker)
        self.crew = Crew(self.hire, self.fire, ray.cluster_resources)
        threading.Thread(target=self.crew.tidy, name="crew", daemon=True).start()

    @property
    def width(self) -> int:
        return max(1, int(self.ray.cluster_resources().get("CPU", 1)))

    def make(self, task: Task, bench: Bench, ears: Ears) -> float | None:
        """Has a worker make the task.  Raises what the stage raises, Cancelled, and Mistake after the last try."""
        stage = bench.stages[task.stage]
        gpus = stage.gpus if self.cuda else 0.0
        message = msgpack.encode(errand(task, bench, "cuda" if gpus else "cpu"))
        for tried in range(1, TRIES + 1):
            try:
                with self.crew.hand(Needs(stage.cpus, gpus, stage.memory << 20), waits(ears)) as actor:
                    ended = self.follow(actor, task.key, message, ears)
                    if ended.kind == "Mistake":
                        raise Mistake(ended.words)
                break
            except Mistake:
                if tried == TRIES:
                    raise
        if ended.kind:
            raise KNOWN.get(ended.kind, RetacError)(ended.words)
        for sentence in bench.cache.warnings(task.key):  # those that a lost worker took with it
            ears.warn(sentence)
        return ended.seconds

    def follow(self, actor: Any, key: str, message: bytes, ears: Ears) -> Ended:
        """Waits for the task and passes on how it goes.  Raises Cancelled, and RetacError where Ray gives the task up."""
        end, tell, news = actor.make.remote(message), actor.tell.remote(), News()
        while not self.ray.wait([end], timeout=POLL)[0]:
            if self.ray.wait([tell], timeout=0)[0]:
                last, news = news, self.heard(tell, key) or news
                tell = actor.tell.remote()
                if news.begun and not last.begun:
                    ears.started()
                for sentence in news.warned:
                    ears.warn(sentence)
            ears.progress(news.fraction, news.label)
        ended = self.outcome(end)
        if ended.seconds is not None and not news.begun:
            ears.started()
        return ended

    def heard(self, tell: Any, key: str) -> News | None:
        """Gives what a worker told of a task; None where it told of the one before, or is lost: Ray starts it again."""
        with suppress(self.ray.exceptions.RayError):
            news = msgpack.decode(self.ray.get(tell), type=News)
            return news if news.key == key else None
        return None

    def outcome(self, end: Any) -> Ended:
        try:
            return msgpack.decode(self.ray.get(end), type=Ended)
        except self.ray.exceptions.RayError as error:
            reason = " ".join(str(error).split())
            raise RetacError(f"Ray lost a task {RESTARTS + 1} times, or its worker could not start: {reason}") from None

    def hire(self, needs: Needs) -> Any:
        """Starts a worker; Ray starts it again, and its task with it, when it is lost."""
        threads = min(int(needs.CPU), int(os.environ["OMP_NUM_THREADS"]))  # as many as this process would take
        return self.maker.options(
            num_cpus=needs.CPU,
            num_gpus=needs.GPU,
            memory=needs.memory,
            max_concurrency=2,  # one makes, one tells
            max_restarts=-1,
            max_task_retries=RESTARTS,
        ).remote(self.table, str(self.home), threads)

    def fire(self, actor: Any) -> None:
        self.ray.kill(actor, no_restart=True)


def waits(ears: Ears) -> Callable[[], None]:
    return lambda: ears.progress(0.0, "waiting for a worker")


@contextmanager
def connected(home: Path, address: str, device: str, table: str, cpus: int | None = None) -> Iterator[Ray]:
    """Gives the executor of the Ray cluster at HOST:PORT; without one, of a cluster on this machine that ends with it.

    `home` is the installation's folder as the hosts see it; `table` is where workers import the stages from, `cpus` how
    many a cluster of our own has.  Raises BadInput where no cluster answers.
    """
    os.environ.update(QUIET)
    if address and "RAY_AUTH_MODE" not in os.environ:
        os.environ.update(token())
    import ray  # reads some of the above once, now

    try:
        join(ray, {"address": address} if address else own(table, cpus))
        made = Ray(ray, table, home, device)
        try:
            yield made
        finally:
            made.crew.close()
    finally:
        ray.shutdown()


def token() -> dict[str, str]:
    """Tells Ray to show this user's token, where there is one.

    The hosts of a cluster ask for it as soon as they have one; who joins them shows it only when told to.
    """
    told = any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"))
    return {"RAY_AUTH_MODE": "token"} if told or (Path.home() / ".ray" / "auth_token").is_file() else {}


def join(ray: Any, where: Mapping[str, Any]) -> None:
    """Connects this process to a cluster, silently.  Raises BadInput, RetacError."""
    before = signal.getsignal(signal.SIGTERM)
    for tried in range(1, STARTS + 1):
        try:
            ray.init(**where, log_to_driver=False, logging_level="CRITICAL", namespace="retac")
            break
        except Exception as error:  # Ray raises plain ones
            reason = " ".join(str(error).split())
            if where["address"] != "local":
                raise BadInput(
                    f"no Ray cluster answers at {where['address']}, or it has another token than ~/.ray/auth_token here; "
                    f"check both: {reason:.200}"
                ) from None
            if tried == STARTS:
                raise RetacError(f"Ray does not start on this machine: {reason:.400}") from None
            ray.shutdown()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray puts one of its own there


def own(table: str, cpus: int | None) -> dict[str, Any]:
    """Gives the settings of a cluster on this machine that holds at least one worker of each kind."""
    most = max(stage.cpus for stage in stages_of(table).values())
    count = cpus or max(os.cpu_count() or 1, most)
    return {
        "address": "local",
        "_node_ip_address": "127.0.0.1",
        "num_cpus": count,
        "include_dashboard": False,
        "object_store_memory": OBJECTS,
    }
