"""How fast files move: python benchmarks/blobs.py [--mib N] [--rounds N] [--cuts N]

A node process and a client on loopback, against a bare PUSH/PULL pair of pyzmq that moves as many bytes in chunks of the
same size between two processes: in the same call, in turns.  Both ends of a transfer check the file's sha256; the pair
checks nothing and touches no disk.  Then the node is killed again and again in the middle of an upload and a download.
"""

import argparse
import hashlib
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import zmq
from retac_shared.client import Client
from retac_shared.inbox import Failed, Fetched, Reply, Sent
from retac_shared.messages import CHUNK, Refused

MIB = 1 << 20
SERVE = """
import sys
from pathlib import Path
from retac_node import nodeconfig, server
server.serve(nodeconfig.load(Path(sys.argv[1])))
"""


class Node:
    """A node process of its own, on a port that stays its own when it is killed."""

    def __init__(self, folder: Path) -> None:
        self.file, self.address = folder / "node.yaml", f"tcp://127.0.0.1:{free_port()}"
        self.file.write_text(f"home: {str(folder)!r}\nbind: {self.address}\n")
        self.start()

    def start(self) -> None:
        with open(self.file.with_suffix(".log"), "a") as log:
            command = [sys.executable, "-c", SERVE, str(self.file)]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with zmq.Context() as context, context.socket(zmq.PULL) as taken:
        return taken.bind_to_random_port("tcp://127.0.0.1")


# ---- the bare pair


def push(address: str, count: int, copy: bool) -> None:
    with zmq.Context() as context, context.socket(zmq.PUSH) as out:
        out.connect(address)
        data = os.urandom(CHUNK)
        for _ in range(count):
            out.send(data, copy=copy)


def bare(mib: int, copy: bool) -> float:
    """Gives the MB/s of the pair, from the first message on."""
    with zmq.Context() as context, context.socket(zmq.PULL) as taking:
        port = taking.bind_to_random_port("tcp://127.0.0.1")
        other = multiprocessing.Process(target=push, args=(f"tcp://127.0.0.1:{port}", mib + 1, copy))
        other.start()
        taking.recv(copy=copy)
        began = time.perf_counter()
        for _ in range(mib):
            taking.recv(copy=copy)
        seconds = time.perf_counter() - began
        other.join()
    return mib * CHUNK / 1e6 / seconds


# ---- the client and the node


def finish(client: Client, request: int) -> Reply:
    while True:
        reply = client.next(60)
        if reply is None or isinstance(reply, Refused | Failed):
            raise SystemExit(f"the transfer failed: {reply}; {client.link}")
        if isinstance(reply, Sent | Fetched) and reply.request == request:
            return reply


def timed(client: Client, start: Callable[[], int], mib: int) -> float:
    began = time.perf_counter()
    finish(client, start())
    return mib * CHUNK / 1e6 / (time.perf_counter() - began)


def a_file(path: Path, mib: int, seed: int) -> str:
    """Writes a file of random bytes; gives its sha256."""
    draw, digest = random.Random(seed), hashlib.sha256()
    with open(path, "wb") as file:
        for _ in range(mib):
            data = draw.randbytes(MIB)
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def hashing(path: Path, mib: int) -> float:
    began = time.perf_counter()
    with open(path, "rb") as file:
        hashlib.file_digest(file, "sha256")
    return mib * MIB / 1e6 / (time.perf_counter() - began)


def rates(folder: Path, mib: int, rounds: int) -> dict[str, list[float]]:
    """Gives the MB/s of each way, round by round."""
    found: dict[str, list[float]] = {}
    node, path, back = Node(folder), folder / "up", folder / "down"
    with Client(node.address) as client:
        for turn in range(rounds):
            sha256 = a_file(path, mib, turn)
            ways = {
                "pair": partial(bare, mib, True),
                "pair without copies": partial(bare, mib, False),
                "sha256 alone, one thread": partial(hashing, path, mib),
                "up, digest known": partial(timed, client, partial(client.upload, path, sha256), mib),
                "down": partial(timed, client, partial(client.download, sha256, back), mib),
                "up again: it is there": partial(timed, client, partial(client.upload, path), mib),
            }
            for name, way in ways.items():
                found.setdefault(name, []).append(way())
            back.unlink()
    node.kill()
    return found


def broken(folder: Path, mib: int, cuts: int) -> tuple[bool, int]:
    """Kills the node `cuts` times in the middle of transfers; tells whether the bytes are right, and how often it met one."""
    draw, met = random.Random(1), 0
    sha256 = a_file(folder / "up", mib, 99)
    node = Node(folder)
    with Client(node.address) as client:
        upload, sent = client.upload(folder / "up", sha256), False
        download = fetched = 0
        for _ in range(cuts):
            time.sleep(draw.uniform(0.05, 0.6))
            while (reply := client.next(0)) is not None:
                sent |= isinstance(reply, Sent)
                fetched |= isinstance(reply, Fetched)
            met += not fetched
            node.kill()
            node.start()
            if sent and not download:
                download = client.download(sha256, folder / "down")
        if not sent:
            finish(client, upload)
        if not download:
            download = client.download(sha256, folder / "down")
        if not fetched:
            finish(client, download)
    node.kill()
    with open(folder / "down", "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256, met


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cuts", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = rates(Path(folder), asked.mib, asked.rounds)
    middle = {name: statistics.median(values) for name, values in found.items()}
    print(f"{'':26} {'MB/s':>7} {'of pair':>8} {'of pair without copies':>23}")
    for name, value in middle.items():
        print(f"{name:26} {value:7.0f} {value / middle['pair']:8.0%} {value / middle['pair without copies']:23.0%}")
    with tempfile.TemporaryDirectory() as folder:
        right, met = broken(Path(folder), asked.mib, asked.cuts)
    print(f"\nnode killed {asked.cuts} times, {met} of them in a transfer: sha256 {'right' if right else 'WRONG'}")


if __name__ == "__main__":
    main()
