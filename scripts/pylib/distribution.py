"""A small client of the OCI distribution API, for seeding and checking registries.

Standard library only. Each `Registry` keeps one connection open, so use it in one thread only.
"""

import hashlib
import http.client
import json
import socket
import urllib.parse

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
ACCEPT = ", ".join(
    [
        INDEX,
        MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    ]
)


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), **more}


def canonical(value):
    """JSON bytes that are the same in every run, so that the digests are the same."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


class RegistryError(Exception):
    """A response with an unexpected status."""


class Registry:
    """A registry at `http://HOST:PORT`."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise RegistryError(f"`{url}` isn't an http:// address of a registry")
        self.host = parts.netloc
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=60)

    def request(self, method, path, body=None, headers=None):
        """One exchange: (status, headers, body)."""
        if self._connection.sock is None:
            self._connection.connect()
            # Head and body are two writes; waiting for the first one's ACK costs 40 ms.
            self._connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection.request(method, path, body, headers or {})
        answer = self._connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def _expect(self, wanted, method, path, body=None, headers=None):
        status, head, data = self.request(method, path, body, headers)
        if status not in wanted:
            words = data[:200].decode(errors="replace")
            raise RegistryError(f"{method} {self.host}{path} answered {status}: {words}")
        return head, data

    def upload_start(self, repository):
        """Opens an upload; returns its address, for `upload_end`."""
        head, _ = self._expect([202], "POST", f"/v2/{repository}/blobs/uploads/", b"")
        return head["Location"]

    def upload_end(self, upload, digest, body, size):
        """Sends a whole blob (bytes, or an iterable of bytes) into an open upload."""
        where = urllib.parse.urlsplit(upload)
        query = "&".join(filter(None, [where.query, "digest=" + urllib.parse.quote(digest)]))
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        self._expect([201], "PUT", f"{where.path}?{query}", body, headers)

    def blob_push(self, repository, data):
        """Uploads a blob in one piece; returns its digest."""
        digest = digest_of(data)
        self.upload_end(self.upload_start(repository), digest, data, len(data))
        return digest

    def blob_exists(self, repository, digest):
        status, _, _ = self.request("HEAD", f"/v2/{repository}/blobs/{digest}")
        return status == 200

    def manifest_push(self, repository, reference, data, media_type):
        self._expect(
            [201],
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            data,
            {"Content-Type": media_type},
        )
        return digest_of(data)

    def manifest_digest(self, repository, reference):
        """The digest of a tag, or None if there is no such tag."""
        path = f"/v2/{repository}/manifests/{reference}"
        status, head, _ = self.request("HEAD", path, headers={"Accept": ACCEPT})
        if status == 404:
            return None
        if status != 200:
            raise RegistryError(f"HEAD {self.host}{path} answered {status}")
        return head["Docker-Content-Digest"]

    def repositories(self):
        return self._pages("/v2/_catalog?n=1000", "repositories")

    def tags(self, repository):
        return self._pages(f"/v2/{repository}/tags/list", "tags")

    def _pages(self, path, member):
        found = []
        while path:
            head, data = self._expect([200], "GET", path)
            found += json.loads(data)[member] or []
            link = head["Link"]
            path = link[link.index("<") + 1 : link.index(">")] if link else None
        return sorted(found)
