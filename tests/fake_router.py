"""A small stand-in for the node: a ROUTER in a thread that keeps files and jobs in memory and does as it is told."""

import hashlib
import socket
import threading
from collections import deque
from contextlib import suppress

import zmq
from retac_shared import wire
from retac_shared.jobs import JobStatus, Part
from retac_shared.messages import (
    CHUNK,
    VERSION,
    WINDOW,
    Ask,
    Beat,
    Cancel,
    Chunk,
    Credit,
    Done,
    Get,
    Hello,
    Jobs,
    List,
    Metrics,
    Parts,
    Put,
    Refused,
    Resume,
    Status,
    Submit,
    ToNode,
    Watch,
    Welcome,
)  # fmt: skip


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


class FakeNode:
    """`stop` and `start` are a node killed and started again; `heard` is every message but Beats and Chunks."""

    def __init__(self, version=VERSION, pair=None, allowed=()):
        self.address = f"tcp://127.0.0.1:{free_port()}"
        self.version, self.pair, self.allowed = version, pair, allowed
        self.files, self.coming, self.jobs, self.parts = {}, {}, {}, {}
        self.heard, self.watches, self.drop_after, self.silent, self.fault = [], {}, 0, False, None
        self.on_submit = lambda job: None
        self.start()

    def start(self):
        self.stopping, self.watches, self.errands = False, {}, deque()
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.linger = 0
        if self.pair is not None:
            self.socket.curve_server, self.socket.curve_secretkey = True, self.pair.secret.encode()
            self.zap = self.context.socket(zmq.REP)
            self.zap.bind("inproc://zeromq.zap.01")
        self.socket.bind(self.address)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def stop(self):
        self.stopping = True
        self.thread.join()
        self.watches = {}

    def run(self):
        while not self.stopping:
            while self.errands:
                self.errands.popleft()()
            if self.pair is not None and self.zap.poll(0):
                self.allow(self.zap.recv_multipart())
            if self.socket.poll(5):
                who, *frames = self.socket.recv_multipart()
                with suppress(wire.BadMessage):
                    self.hear(who, *wire.decode(frames, ToNode))
        self.context.destroy(0)

    def allow(self, request):
        code = b"200" if request[6] in self.allowed else b"400"
        self.zap.send_multipart([b"1.0", request[1], code, b"", b"", b""])

    def say(self, who, message, payload=None):
        if not self.silent:
            self.socket.send_multipart([who, *wire.encode(message, payload)])

    def hear(self, who, message, payload):
        if not isinstance(message, Beat | Chunk):
            self.heard.append(message)
        self.last = who
        if isinstance(message, Hello):
            self.say(who, Welcome(self.version, "fake 1", "local", "admin", ("cpu",), 1 << 40))
        elif isinstance(message, Beat):
            self.say(who, Beat())
        elif isinstance(message, Put | Chunk):
            self.take(who, message, payload)
        elif isinstance(message, Get):
            self.give(who, message)
        elif isinstance(message, Watch):
            self.watches[message.request] = (who, message.job)
            self.tell(message.job)
            self.tell_parts(message.request, message.parts)
        elif isinstance(message, Submit | Cancel | Resume):
            self.change(who, message)
        elif isinstance(message, List):
            self.say(who, Jobs(message.request, tuple(self.jobs.values()), False))
        elif isinstance(message, Ask):
            self.say(who, Metrics(message.request, {"retac_jobs": float(len(self.jobs))}))

    def change(self, who, message):
        if isinstance(message, Submit):
            missing = [name for name in message.order.files() if name not in self.files]
            if missing:
                return self.say(who, Refused(message.request, f"the node lacks the file {missing[0]}; send it first"))
            new = JobStatus(message.job, message.label, "local", message.order.goal, "queued", 0, 1, 0.0)
            if message.job not in self.jobs:
                self.jobs[message.job] = new
                self.on_submit(message.job)
        if message.job not in self.jobs:
            return self.say(who, Refused(message.request, "there is no such job"))
        if isinstance(message, Cancel):
            self.update(message.job, state="cancelled")
        return self.say(who, Status(message.request, self.jobs[message.job]))

    def update(self, job, **more):
        old = {name: getattr(self.jobs[job], name) for name in JobStatus.__dataclass_fields__}
        self.jobs[job] = JobStatus(**{**old, "change": old["change"] + 1, **more})
        self.errands.append(lambda: self.tell(job))

    def make(self, job, name, data):
        """Has the job make a part."""
        digest = hashlib.sha256(data).hexdigest()
        self.files[digest] = data
        self.parts.setdefault(job, []).append(Part(name, digest, len(data)))
        first = len(self.parts[job]) - 1
        watching = [request for request, (_, watched) in list(self.watches.items()) if watched == job]
        self.errands.extend(lambda request=request: self.tell_parts(request, first) for request in watching)

    def tell(self, job):
        for request, (who, watched) in list(self.watches.items()):
            if watched == job and job in self.jobs:
                self.say(who, Status(request, self.jobs[job]))

    def tell_parts(self, request, first):
        who, job = self.watches[request]
        if new := tuple(self.parts.get(job, ())[first:]):
            self.say(who, Parts(request, first, new))

    def take(self, who, message, payload):
        if isinstance(message, Put):
            held = self.files.get(message.sha256, self.coming.setdefault(message.sha256, bytearray()))
            self.puts = {**getattr(self, "puts", {}), (who, message.request): (message.sha256, message.size)}
            self.granted = len(held) + WINDOW
            if len(held) < message.size:
                return self.say(who, Credit(message.request, len(held), WINDOW))
        sha256, size = self.puts.get((who, message.request), ("", 0))
        held = self.files.get(sha256, self.coming.get(sha256))
        if held is None:
            return None
        if isinstance(message, Chunk) and message.offset == len(held):
            held += payload
        if len(held) == size:
            self.files[sha256] = bytes(held)
            good = hashlib.sha256(held).hexdigest() == sha256
            return self.say(who, Done(message.request) if good else Refused(message.request, "the bytes are wrong"))
        if self.granted - len(held) <= WINDOW // 2:
            self.say(who, Credit(message.request, self.granted, WINDOW // 2))
            self.granted += WINDOW // 2
        return None

    def give(self, who, get):
        held = self.files.get(get.sha256)
        if held is None:
            return self.say(who, Refused(get.request, "the file is not here"))
        data = held[get.offset : get.offset + get.count] if self.fault is None else self.fault(held, get)
        for at in range(0, max(1, len(data)), CHUNK):
            self.say(who, Chunk(get.request, get.offset + at, len(held)), data[at : at + CHUNK])
        return None
