#!/usr/bin/env python3
"""Checks that every tag at TARGET has the same digest as at SOURCE.

verify.py http://SOURCE http://TARGET: exit code 0 if there are tags and all are equal, otherwise 1.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "pylib"))
from distribution import Registry


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, target = Registry(sys.argv[1]), Registry(sys.argv[2])
    equal = 0
    different = []
    for repository in target.repositories():
        for tag in target.tags(repository):
            wanted = source.manifest_digest(repository, tag)
            found = target.manifest_digest(repository, tag)
            if wanted == found:
                equal += 1
            else:
                different.append(f"{repository}:{tag} is {found}, at the source {wanted}")
    for line in different:
        print(f"  differs: {line}")
    print(f"  {equal} tags at the target have the digests of the source, {len(different)} differ")
    sys.exit(0 if equal and not different else 1)


if __name__ == "__main__":
    main()
