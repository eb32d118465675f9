"""The images of each case, generated from a seed, and their upload to a source."""

import dataclasses
import hashlib
import random
import urllib.parse

from distribution import CONFIG, LAYER, MANIFEST, Registry, canonical, descriptor

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Case:
    """`tags` tags in each of `repositories`, each an image of one platform.

    Every image has `own` layers that no other image has and `shared` layers that all images of
    the case have; sizes are in bytes, the content can't be compressed.
    """

    name: str
    title: str
    repositories: tuple
    tags: int
    own: int = 0
    own_size: int = 0
    shared: int = 0
    shared_size: int = 0
    # Whether each run starts with an empty target, or with one that already has all images.
    emptied: bool = True
    # Default number of runs of each tool.
    runs: int = 5

    def blobs_of(self, repository, tag):
        """The layers of an image as (seed, size), in order."""
        shared = [(f"{self.name} shared {n}", self.shared_size) for n in range(self.shared)]
        own = [(f"{self.name} {repository} {tag} {n}", self.own_size) for n in range(self.own)]
        return shared + own

    def tag_names(self):
        return [f"1.{n}.0" for n in range(self.tags)]


COLD = Case(
    "cold",
    "cold: 500 MiB in 100 tags of 5 MiB",
    ("bench/cold",),
    tags=100,
    own=1,
    own_size=5 * MIB,
)
CASES = {
    case.name: case
    for case in [
        COLD,
        dataclasses.replace(
            COLD, name="warm", title="warm: the same 100 tags again, unchanged", emptied=False
        ),
        Case(
            "shared",
            "shared: 300 tags over three repositories that share layers",
            ("bench/shared-a", "bench/shared-b", "bench/shared-c"),
            tags=100,
            own=1,
            own_size=4096,
            shared=6,
            shared_size=MIB,
        ),
        Case(
            "large",
            "large: one layer of 2 GiB",
            ("bench/large",),
            tags=1,
            own=1,
                own_size=2048 * MIB,
            runs=1,
        ),
    ]
}


def chunks(seed, size):
    """The bytes of a blob, in chunks of at most 1 MiB."""
    source = random.Random(seed)
    while size > 0:
        yield source.randbytes(min(size, MIB))
        size -= MIB


@dataclasses.dataclass(frozen=True)
class Image:
    repository: str
    tag: str
    config: bytes
    manifest: bytes
    layers: tuple  # (seed, size, digest)


def images(case):
    """All images of a case, in the order of repositories and tags."""
    known = {}

    def digest(seed, size):
        if (seed, size) not in known:
            found = hashlib.sha256()
            for chunk in chunks(seed, size):
                found.update(chunk)
            known[seed, size] = "sha256:" + found.hexdigest()
        return known[seed, size]

    for repository in case.repositories:
        for tag in case.tag_names():
            layers = tuple((s, n, digest(s, n)) for s, n in case.blobs_of(repository, tag))
            config = canonical(
                {
                    "architecture": "amd64",
                    "os": "linux",
                    "config": {"Labels": {"tag": f"{repository}:{tag}"}},
                    "rootfs": {"type": "layers", "diff_ids": [d for _, _, d in layers]},
                }
            )
            manifest = canonical(
                {
                    "schemaVersion": 2,
                    "mediaType": MANIFEST,
                    "config": descriptor(CONFIG, config),
                    "layers": [
                        {"mediaType": LAYER, "digest": d, "size": n} for _, n, d in layers
                    ],
                }
            )
            yield Image(repository, tag, config, manifest, layers)


class Seeder(Registry):
    """Streams large blobs instead of holding them in memory, and mounts existing ones."""

    def blob_stream(self, repository, seed, size, digest):
        upload = self.upload_start(repository)
        self.upload_end(upload, digest, chunks(seed, size), size)

    def blob_mount(self, repository, digest, origin):
        query = urllib.parse.urlencode({"mount": digest, "from": origin})
        status, _, _ = self.request("POST", f"/v2/{repository}/blobs/uploads/?{query}", b"")
        if status != 201:
            raise RuntimeError(f"{self.host} did not mount {digest} from {origin}: {status}")


def seed(case, address):
    """Uploads the images of a case to the registry at `address` (host:port)."""
    registry = Seeder(f"http://{address}")
    origin = {}
    for image in images(case):
        for layer_seed, size, digest in image.layers:
            first = origin.setdefault(digest, image.repository)
            if first != image.repository:
                registry.blob_mount(image.repository, digest, first)
            elif not registry.blob_exists(image.repository, digest):
                registry.blob_stream(image.repository, layer_seed, size, digest)
        registry.blob_push(image.repository, image.config)
        registry.manifest_push(image.repository, image.tag, image.manifest, MANIFEST)
