"""Re-TTAC's pipeline, node and command line.

Threads that wait for one another sleep: on a machine with other work to do, threads that spin while they wait took 2.4
times as long over a solve.  Sums are rounded by how they are split among threads, so their number is the same on every
machine, where none is asked for: results are shared by what they are made from.  Both are said here because the library
reads them once, when torch or numba loads it.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OMP_NUM_THREADS", "2")
