"""launch.py COMMAND...: runs a command and prints its time and memory as one JSON line.

A separate small process, since on Linux the peak memory of a process includes that before `exec`, and
the benchmark itself may be large. The exit code is 0 even if the command failed.
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
