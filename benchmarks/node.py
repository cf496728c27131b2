"""Fifty clients with twenty jobs each on one node over fake stages: python benchmarks/node.py

Tasks a second, what the node costs a task, whether the jobs ran in order, and how long a client waits for an answer
meanwhile.  The same jobs without a node, one after the other in one process, are the measure of it.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import zmq

sys.path.insert(0, str(Path(__file__).parents[1]))  # the fake stages are the tests'

from retac_shared import messages, wire
from retac_shared.order import Order

from tests import fake_node
from tests.fake_node import FakeNode, Plain

CLIP = b"a clip"
PRIORITIES = 5
BARE = """
import dataclasses, os, sys, threading, time
from pathlib import Path
from tests import fake_node
from retac_node import orders
from retac_node.desk import Desk
from retac_shared.order import Order
clip = Path(os.environ["RETAC_HOME"], "clip")
clip.write_bytes(b"a clip")
ran = []
desk = Desk(None, "cpu", lambda event: ran.append(type(event).__name__), threading.Event())
desk = dataclasses.replace(desk, kept=desk.cache())
began, spent = time.perf_counter(), time.process_time()
for n in range(int(sys.argv[1])):
    order = Order("c" * 64, text=f"Bare {n}.")
    desk.run(orders.spec_of(order), {"c" * 64: clip}, orders.WANTED["dub"], fake_node.LIGHT_TABLE)
tasks = ran.count("Started")
print((time.perf_counter() - began) / tasks, (time.process_time() - spent) / tasks)
"""


@dataclass(frozen=True)
class Measured:
    jobs: int
    done: int
    tasks: int
    seconds: float
    node_cpu: float  # seconds of the node's own process
    worker_cpu: float  # of its workers
    waits: list[float]  # seconds, of the client that asks for numbers meanwhile


def main() -> int:
    parser = argparse.ArgumentParser("benchmarks/node.py", description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--jobs", type=int, default=20, help="of each client")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bare = without_node(Path(name, "bare"), 40)
        one, _ = with_node(Path(name, "one"), 1, 4, asked.jobs)
        two, order = with_node(Path(name, "two"), 2, asked.clients, asked.jobs)
    print("\n".join(table(bare, one, two, order)))
    return int(two.done < two.jobs or not order)


def table(bare: tuple[float, float], one: Measured, two: Measured, order: bool) -> list[str]:
    each, cpu = one.seconds / one.tasks, (one.node_cpu + one.worker_cpu) / one.tasks
    waits = sorted(two.waits)
    return [
        f"without a node: {1000 * bare[0]:.2f} ms a task, {1000 * bare[1]:.2f} ms of CPU; one process",
        f"one worker, {one.jobs} jobs: {1000 * each:.2f} ms a task, {1000 * cpu:.2f} ms of CPU, of which "
        f"{1000 * one.node_cpu / one.tasks:.2f} ms in the node's own process; "
        f"the node adds {1000 * (each - bare[0]):.2f} ms a task, {1000 * (cpu - bare[1]):.2f} ms of CPU",
        f"two workers, {two.jobs} jobs: {two.done} done, {two.tasks} tasks in {two.seconds:.1f} s, "
        f"{two.tasks / two.seconds:.0f} tasks/s; CPU used {(two.node_cpu + two.worker_cpu) / two.seconds:.2f} of "
        f"{os.cpu_count()} cores, {1000 * (two.node_cpu + two.worker_cpu) / two.tasks:.2f} ms a task",
        f"started in order of priority, then of age: {'yes' if order else 'NO'}",
        f"an answer meanwhile: median {1000 * waits[len(waits) // 2]:.1f} ms, "
        f"99th percentile {1000 * waits[int(0.99 * len(waits))]:.1f} ms, of {len(waits)}",
    ]


def without_node(folder: Path, jobs: int) -> tuple[float, float]:
    """Gives seconds a task, and seconds of CPU."""
    folder.mkdir()
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "RETAC_HOME": str(folder), "PYTHONPATH": os.pathsep.join((root, f"{root}/shared"))}
    run = subprocess.run(
        [sys.executable, "-c", BARE, str(jobs)], env=environment, capture_output=True, text=True, check=True
    )
    seconds, cpu = map(float, run.stdout.split())
    return seconds, cpu


def with_node(folder: Path, workers: int, clients: int, each: int) -> tuple[Measured, bool]:
    """Runs the jobs; a blocker keeps the workers busy until all are there, so that their order can be seen."""
    folder.mkdir()
    count = clients * each
    settings = {"devices": ["cpu"] * workers, "queue_limit": count + 9, "queue_limit_per_client": count + 9}
    with FakeNode(folder, craft="LIGHT", **settings) as node:
        guest = Plain(node.address)
        clip = guest.put(CLIP)
        blockers = [guest.submit(Order(clip, text=f"{fake_node.BLOCK} {n}"), 100) for n in range(workers)]
        for job in blockers:
            guest.follow(job, lambda status: status.doing == fake_node.BLOCK)
        crowd = [Plain(node.address) for _ in range(clients)]
        jobs = submit(crowd, clip, each)
        (node.home / "go").touch()
        for job in blockers:
            guest.follow(job)
        began, cpu, hands = time.perf_counter(), cpu_seconds(node.process.pid), sum(map(cpu_seconds, node.workers()))
        tasks = guest.ask(messages.Ask).values["retac_tasks_total"]
        done, waits = follow(crowd, jobs, guest)
        seconds, cpu = time.perf_counter() - began, cpu_seconds(node.process.pid) - cpu
        hands = sum(map(cpu_seconds, node.workers())) - hands
        tasks = int(guest.ask(messages.Ask).values["retac_tasks_total"] - tasks)
        return Measured(count, done, tasks, seconds, cpu, hands, waits), in_order(node.home / "log", jobs)


def submit(crowd: list[Plain], clip: str, each: int) -> dict[str, int]:
    """Gives the priority of each job, in the order in which the jobs came."""
    draw, jobs = random.Random(0), {}
    for turn in range(each):
        for n, client in enumerate(crowd):
            priority = draw.randrange(PRIORITIES)
            jobs[client.submit(Order(clip, text=f"Line {turn} of client {n}."), priority)] = priority
    for n, job in enumerate(jobs):
        client = crowd[n % len(crowd)]
        client.requests += 1
        client.send(messages.Watch(client.requests, job))
    return jobs


def follow(crowd: list[Plain], jobs: dict[str, int], guest: Plain) -> tuple[int, list[float]]:
    """Reads what the clients are told until all jobs have ended; gives how many are done, and the guest's waits."""
    poller, waits, done, ended, asked, last = zmq.Poller(), list[float](), set[str](), set[str](), 0.0, 0.0
    by_socket = {client.socket: client for client in (*crowd, guest)}
    for socket in by_socket:
        poller.register(socket, zmq.POLLIN)
    while len(ended) < len(jobs):
        if not asked and time.perf_counter() - last > 0.02:
            asked = last = time.perf_counter()
            guest.send(messages.Ask(1))
        for socket, _ in poller.poll(20):
            message, _ = wire.decode(socket.recv_multipart(), messages.ToClient)
            if isinstance(message, messages.Beat):
                by_socket[socket].send(message)
            elif isinstance(message, messages.Metrics):
                waits.append(time.perf_counter() - asked)
                asked = 0.0
            elif isinstance(message, messages.Status) and message.status.state in ("done", "failed"):
                ended.add(message.status.job)
                done |= {message.status.job} if message.status.state == "done" else set()
    return len(done & jobs.keys()), waits


def in_order(log: Path, jobs: dict[str, int]) -> bool:
    """Tells whether the jobs were started by priority, and those of the same by age."""
    events = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    started = [e["job"] for e in events if e["event"] == "job" and e["state"] == "running" and e["job"] in jobs]
    age = {job: n for n, job in enumerate(jobs)}
    return started == sorted(jobs, key=lambda job: (-jobs[job], age[job]))


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
