"""Re-TTAC's pipeline, node and command line.

Threads that wait for one another sleep: on a machine with other work to do, threads that spin while they wait took 2.4
times as long over a solve.  It is said here because the library reads it once, when torch or numba loads it.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
