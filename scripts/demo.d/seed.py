#!/usr/bin/env python3
"""Fills a registry with a few small multi-platform images: seed.py http://HOST:PORT

The images have the same digests in every run, on every machine. They can be listed, copied and
unpacked, but contain a text file instead of programs.
"""

import io
import pathlib
import struct
import sys
import tarfile
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pylib"))
from distribution import CONFIG, INDEX, LAYER, MANIFEST, Registry, canonical, descriptor, digest_of

ARCHITECTURES = ["amd64", "arm64"]
CREATED = "2024-01-01T00:00:00Z"

# Repository -> its tags, oldest first; `latest` is a second tag of the newest release.
IMAGES = {
    "library/nginx": ["1.24.0", "1.25.3", "1.25.4", "1.26.0", "1.27.0-rc.1"],
    "library/postgres": ["15.6", "16.1", "16.2", "16.3", "17beta1"],
    "library/busybox": ["1.35", "1.36", "1.36-musl", "1.37"],
}


def layer(name, text):
    """A layer of one file: (gzipped tar, digest of the bare tar)."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        content = text.encode()
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip_stored(plain.getvalue()), digest_of(plain.getvalue())


def gzip_stored(data):
    """Gzip without compression, since compressed bytes differ between versions of zlib."""
    stored = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = stored.compress(data) + stored.flush()
    header = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    return header + body + struct.pack("<II", zlib.crc32(data), len(data))


def image_push(registry, repository, tag, architecture):
    """Pushes one platform's image; returns its descriptor in the index."""
    name = repository.rsplit("/", 1)[-1]
    layers = [
        # Shared by all tags of the architecture, as a base image is.
        layer("etc/base", f"base of {architecture}\n"),
        layer(f"usr/share/{name}", f"{name} {tag} for {architecture}\n"),
    ]
    config = canonical(
        {
            "created": CREATED,
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/bin:/bin"],
                "Cmd": [name],
                "Labels": {"org.opencontainers.image.version": tag},
            },
            "rootfs": {"type": "layers", "diff_ids": [bare for _, bare in layers]},
            "history": [{"created": CREATED, "created_by": "registrysync demo"} for _ in layers],
        }
    )
    for blob in [config, *(packed for packed, _ in layers)]:
        registry.blob_push(repository, blob)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor(CONFIG, config),
            "layers": [descriptor(LAYER, packed) for packed, _ in layers],
        }
    )
    registry.manifest_push(repository, digest_of(manifest), manifest, MANIFEST)
    return descriptor(MANIFEST, manifest, platform={"architecture": architecture, "os": "linux"})


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    registry = Registry(sys.argv[1])
    for repository, tags in IMAGES.items():
        for tag in tags:
            children = [image_push(registry, repository, tag, a) for a in ARCHITECTURES]
            index = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
            names = [tag, "latest"] if tag == tags[-2] else [tag]
            for name in names:
                registry.manifest_push(repository, name, index, INDEX)
        print(f"  {repository}: {', '.join([*tags, 'latest'])}")


if __name__ == "__main__":
    main()
