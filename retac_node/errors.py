"""Errors of the world, not ours: each message says what, where and what to do, in one sentence.

RetacError
├── BadInput     the user's file, text or option cannot be used          exit 2
├── Refused      a rule of this installation forbids it                  exit 3
├── OutOfSpace   the cache or the output's disk is full                  exit 2
└── Cancelled    the user stopped the job; running again continues it    exit 130

Our own mistakes are assertions and are not caught.
"""


class RetacError(Exception):
    exit_code = 1


class BadInput(RetacError):
    exit_code = 2


class OutOfSpace(BadInput):
    pass


class Refused(RetacError):
    exit_code = 3


class Cancelled(RetacError):
    exit_code = 130
