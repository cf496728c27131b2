"""The protocol: what a client may tell a node and what it hears back.  Never touches a socket; wire.py writes these.

A client opens with Hello; the node says Welcome, or Refused and no more.  Each message of a client but Hello, Chunk
and Beat has a request number, and each answer names it.  Every command may be sent again: the answer is the same.

    Submit, Cancel, Resume           -> Status | Refused
    Watch                            -> Status now and at every change, Parts as they are made   (until Unwatch)
    List                             -> Jobs
    Put, then Chunk after Chunk      -> Credit: send `count` bytes from `offset`; Done when the file is here and right
    Get                              -> Chunk after Chunk: `count` bytes from `offset`
    Ask                              -> Metrics

Files go by the sha256 of their bytes.  A Chunk's bytes are a frame of their own; nothing else has one.
"""

from typing import Annotated

from msgspec import Meta, Struct

from retac_shared.jobs import JobStatus, Part
from retac_shared.order import Order

VERSION = 1
CHUNK = 1 << 20  # bytes in a Chunk's frame, at most
WINDOW = 8 * CHUNK  # bytes that a node lets come, or a client asks for, without a word in between
BEAT = 1.0  # seconds between two Beats
SILENT = 3  # Beats missed before the other end is taken for gone
PAGE = 200  # jobs or parts in one message, at most

Request = Annotated[int, Meta(ge=0, lt=1 << 53)]
Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
JobId = Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
Priority = Annotated[int, Meta(ge=-100, le=100)]
Short = Annotated[str, Meta(max_length=200)]


class Message(Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    pass


# ---- from a client


class Hello(Message, frozen=True):
    version: int
    application: Short  # "retac 0.1.0", "Blender 4.5.2"


class Submit(Message, frozen=True):
    request: Request
    job: JobId  # drawn at random by the client: sent twice, it is one job
    order: Order
    label: Short = ""
    priority: Priority = 0


class Watch(Message, frozen=True):
    request: Request
    job: JobId
    parts: Count = 0  # how many of its Parts the client has already


class Unwatch(Message, frozen=True):
    request: Request  # the Watch's


class Cancel(Message, frozen=True):
    request: Request
    job: JobId


class Resume(Message, frozen=True):
    request: Request
    job: JobId


class List(Message, frozen=True):
    request: Request
    before: float = 0.0  # jobs created before this time, newest first; 0: from the newest on


class Put(Message, frozen=True):
    request: Request
    sha256: Sha256
    size: Count  # bytes


class Get(Message, frozen=True):
    request: Request
    sha256: Sha256
    offset: Count
    count: Annotated[int, Meta(gt=0, le=WINDOW)]  # bytes


class Ask(Message, frozen=True):
    request: Request


# ---- from a node


class Welcome(Message, frozen=True):
    version: int
    application: Short
    owner: Short  # the name by which the node knows this client
    role: Short  # "submit" or "admin"
    devices: tuple[Short, ...]  # "cpu", "cuda:0" ... one worker each
    file_limit: int  # bytes of one file, at most


class Status(Message, frozen=True):
    request: Request
    status: JobStatus


class Parts(Message, frozen=True):
    request: Request
    first: Count  # place of parts[0] in the job's list
    parts: tuple[Part, ...]


class Jobs(Message, frozen=True):
    request: Request
    jobs: tuple[JobStatus, ...]  # newest first; PAGE at most
    more: bool


class Credit(Message, frozen=True):
    request: Request  # the Put's
    offset: Count
    count: Count  # bytes


class Done(Message, frozen=True):
    request: Request


class Metrics(Message, frozen=True):
    request: Request
    values: dict[str, float]  # names as a Prometheus exporter would give them


class Refused(Message, frozen=True):
    request: Request  # 0 where it answers no request
    sentence: str


# ---- both ways


class Chunk(Message, frozen=True):
    request: Request  # the Put's, or the Get's
    offset: Count
    size: Count  # bytes of the whole file


class Beat(Message, frozen=True):
    pass


ToNode = Hello | Submit | Watch | Unwatch | Cancel | Resume | List | Put | Get | Ask | Chunk | Beat
ToClient = Welcome | Status | Parts | Jobs | Credit | Done | Metrics | Refused | Chunk | Beat
