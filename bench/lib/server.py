"""A registrysync server to observe: its memory, and the response times of a client with a session."""

import contextlib
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

PASSWORD = "correct horse battery"


def memory(process, what):
    lines = pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024


def probe(url, key, seconds, process):
    """Runs a client with a session in its own process; its times in ms, and the server's peak memory."""
    code = f"""
import http.client, json, sys, time, urllib.parse
times, end = [], time.monotonic() + {seconds}
host = urllib.parse.urlparse({url!r}).netloc
while time.monotonic() < end:
    began = time.monotonic()
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("GET", "/rhn/manager/api/registrysync/listProjects",
        headers={{"Authorization": "Bearer {key}"}})
    answer = json.loads(connection.getresponse().read())
    assert answer["success"], answer
    connection.close()
    times.append(1000 * (time.monotonic() - began))
    time.sleep(0.02)
print(json.dumps(times))
"""
    client = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    most = 0
    while client.poll() is None:
        most = max(most, memory(process, "VmRSS"))
        time.sleep(0.05)
    if client.returncode:
        sys.exit("a client with a session got no response")
    return json.loads(client.stdout.read()), most


@contextlib.contextmanager
def started(binary):
    """Starts a server; yields the process, its address and a session key."""
    with tempfile.TemporaryDirectory() as work:
        password = pathlib.Path(work, "password")
        password.write_text(PASSWORD)
        command = [binary, "serve", "--listen", "127.0.0.1:0", "--data-dir", f"{work}/data"]
        command += ["--admin-password-file", str(password)]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        try:
            url = process.stdout.readline().split()[-1]
            body = json.dumps({"login": "admin", "password": PASSWORD}).encode()
            answer = urllib.request.urlopen(f"{url}/rhn/manager/api/auth/login", body)
            yield process, url, answer.headers["Set-Cookie"].split("=")[1].split(";")[0]
        finally:
            process.terminate()
            process.wait()


def called(url, key, method, body=None):
    """The result of a method, or the message of a fault."""
    request = urllib.request.Request(
        f"{url}/rhn/manager/api/{method}",
        None if body is None else json.dumps(body).encode(),
        {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    answer = json.loads(urllib.request.urlopen(request, timeout=600).read())
    return answer.get("result", answer.get("message"))


class Table:
    """Rows of figures; `bad` if one reaches its limit."""

    def __init__(self, head, memory, p99):
        self.limits, self.bad = (memory, p99), False
        print(f"| {head} | MiB | 50 % ms | 99 % ms |\n|---|--:|--:|--:|")

    def row(self, name, times, most):
        p99 = statistics.quantiles(times, n=100)[98]
        self.bad |= most >= self.limits[0] or p99 >= self.limits[1]
        print(f"| {name} | {most:.0f} | {statistics.median(times):.1f} | {p99:.1f} |", flush=True)
