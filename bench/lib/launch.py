"""launch.py COMMAND...: runs a command and prints what it cost, as one JSON line.

A process of its own, since Linux counts the memory that a process had before `exec` to its peak:
this one is small, the benchmark itself needn't be. Exit code: 0 also when the command failed.
"""

import json
import os
import subprocess
import sys
import time

start = time.monotonic()
process = subprocess.Popen(
    sys.argv[1:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=2
)
_, status, usage = os.wait4(process.pid, 0)
wall = time.monotonic() - start
print(
    json.dumps(
        {
            "exit": os.waitstatus_to_exitcode(status),
            "wall": wall,
            "cpu": usage.ru_utime + usage.ru_stime,
            "peak_mib": usage.ru_maxrss / 1024,
        }
    )
)
