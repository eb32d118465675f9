"""alone.py CASE HOST:PORT: measures the target alone; prints one JSON line {"wall": seconds}.

Sends the blobs and manifests of a case from memory over four persistent connections, without
requesting or fetching anything. Blobs of several repositories are sent once, then mounted.
"""

import concurrent.futures
import json
import pathlib
import sys
import threading
import time

sys.path[:0] = [
    str(pathlib.Path(__file__).resolve().parents[1]),
    str(pathlib.Path(__file__).resolve().parents[2] / "scripts/pylib"),
]
from distribution import MANIFEST, digest_of
from lib.cases import CASES, Seeder, chunks, images

THREADS = 4


def main():
    case, address = CASES[sys.argv[1]], sys.argv[2]
    wanted = list(images(case))
    blobs, mounts = {}, set()
    for image in wanted:
        data = [(d, b"".join(chunks(s, n))) for s, n, d in image.layers if d not in blobs]
        for digest, content in [*data, (digest_of(image.config), image.config)]:
            blobs.setdefault(digest, (image.repository, content))
        for _, _, digest in image.layers:
            origin = blobs[digest][0]
            if origin != image.repository:
                mounts.add((image.repository, digest, origin))

    local = threading.local()

    def client():
        if not hasattr(local, "registry"):
            local.registry = Seeder(f"http://{address}")
        return local.registry

    def upload(item):
        digest, (repository, content) = item
        registry = client()
        registry.upload_end(registry.upload_start(repository), digest, content, len(content))

    def tag(image):
        client().manifest_push(image.repository, image.tag, image.manifest, MANIFEST)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        start = time.monotonic()
        list(pool.map(upload, blobs.items()))
        list(pool.map(lambda mount: client().blob_mount(*mount), mounts))
        list(pool.map(tag, wanted))
        print(json.dumps({"wall": time.monotonic() - start}))


if __name__ == "__main__":
    main()
