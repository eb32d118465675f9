"""Real `docker-registry` servers on the loopback address, and their access logs."""

import collections
import pathlib
import re
import shutil
import subprocess
import time

CONFIG = """\
version: 0.1
storage:
  filesystem:
    rootdirectory: {directory}
    maxthreads: 100
  delete:
    enabled: true
  maintenance:
    uploadpurging:
      enabled: false
http:
  addr: 127.0.0.1:0
"""

REQUEST = re.compile(r'"([A-Z]+) (/v2/[^ "]*) HTTP/[0-9.]+" ([0-9]{3})')

# Kinds in the order of the table; the first pattern that matches the path applies.
KINDS = [
    ("manifest", re.compile(r"/manifests/")),
    ("mount", re.compile(r"/blobs/uploads/\?.*mount=")),
    ("upload", re.compile(r"/blobs/uploads/")),
    ("blob", re.compile(r"/blobs/")),
    ("tags", re.compile(r"/tags/list")),
    ("other", re.compile("")),
]


class DockerRegistry:
    """A server with its data in `directory`; stopped by `stop`, or at the end of a `with`."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        name = self.directory.name
        config = self.directory.with_name(f"{name}.yml")
        config.write_text(CONFIG.format(directory=self.directory))
        self._access = self.directory.with_name(f"{name}.access.log")
        self._talk = self.directory.with_name(f"{name}.log")
        with self._access.open("wb") as out, self._talk.open("wb") as err:
            self._process = subprocess.Popen(
                ["docker-registry", "serve", str(config)], stdout=out, stderr=err
            )
        self._read = 0
        self.address = self._address_wait()

    def _address_wait(self):
        for _ in range(100):
            found = re.search(r"listening on (127\.0\.0\.1:\d+)", self._talk.read_text())
            if found:
                return found.group(1)
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"docker-registry did not start:\n{self._talk.read_text()}")

    def counts_take(self):
        """Requests since the last call: Counter of (method, kind)."""
        with self._access.open() as log:
            log.seek(self._read)
            text = log.read()
            self._read = log.tell()
        counts = collections.Counter()
        for method, path, _status in REQUEST.findall(text):
            kind = next(name for name, pattern in KINDS if pattern.search(path))
            counts[method, kind] += 1
        return counts

    def cpu_seconds(self):
        """User and system time of the server so far."""
        fields = pathlib.Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def stop(self):
        self._process.kill()
        self._process.wait()

    def remove(self):
        """Stops the server and deletes its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
