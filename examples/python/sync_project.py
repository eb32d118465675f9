#!/usr/bin/env python3
"""A complete job over XML-RPC: log in, stores, project, items, plan, run, results, log out.

    sync_project.py http://SERVER:8080 LOGIN PASSWORD_FILE SOURCE TARGET \\
        --tags library/nginx=1.26.0,latest --regex 'library/postgres=^16\\.'

SOURCE and TARGET are addresses of registries: `host[:port]`, or `http://host:port` for one
without TLS. Needs Python 3, nothing else. Exit code: 0 success, 1 a tag failed, 2 the
server refused a call (its message is printed).
"""

import argparse
import pathlib
import sys
import time
import xmlrpc.client

NOTHING_MORE_TO_DO = {"FINISHED", "FAILED", "SKIPPED", "INTERRUPTED"}


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", help="the server, such as http://127.0.0.1:8080")
    parser.add_argument("login")
    parser.add_argument("password_file", help="its first line is the password")
    parser.add_argument("source", help="registry to copy from")
    parser.add_argument("target", help="registry to copy to")
    parser.add_argument("--project", default="example", help="label of the project")
    parser.add_argument(
        "--tags", action="append", default=[], metavar="REPOSITORY=TAG,…", help="named tags"
    )
    parser.add_argument(
        "--regex", action="append", default=[], metavar="REPOSITORY=REGEX", help="tags by pattern"
    )
    parser.add_argument(
        "--expect-nothing-copied",
        action="store_true",
        help="exit with code 1 if the run copied anything",
    )
    return parser.parse_args()


def store_make(client, key, label, uri):
    """Creates an image store, unless one with that label exists."""
    known = {store["label"] for store in client.image.store.listImageStores(key)}
    if label not in known:
        client.image.store.create(key, label, uri, "registry", {})


def project_make(client, key, options):
    """Creates the project with its items, unless one with that label exists."""
    known = {project["label"] for project in client.registrysync.listProjects(key)}
    if options.project in known:
        return
    source, target = f"{options.project}-source", f"{options.project}-target"
    store_make(client, key, source, options.source)
    store_make(client, key, target, options.target)
    client.registrysync.create(key, options.project, source, target)
    for item in options.tags:
        repository, tags = item.split("=", 1)
        client.registrysync.addImage(key, options.project, repository, tags.split(","))
    for item in options.regex:
        repository, regex = item.split("=", 1)
        client.registrysync.addImage(key, options.project, repository, regex)


def plan_show(plan):
    print("plan (nothing is written yet):")
    actions = plan["actions"]
    width = max((len(f"{a['repository']}:{a['tag']}") for a in actions), default=0)
    for action in actions:
        name = f"{action['repository']}:{action['tag']}"
        print(f"  {action['action']:7} {name:{width}}  {action.get('reason', '')}")
    totals = dict(plan["totals"])
    size = totals.pop("bytes", "0")
    print(f"  {numbers(totals) or 'nothing'}; at most {size} bytes")


def numbers(counts):
    """The counts that aren't zero, as `5 copied, 1 failed`."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def run_wait(client, key, run_id):
    """Polls until the run has ended, and shows its progress; returns the run."""
    shown = None
    while True:
        run = client.registrysync.getRun(key, run_id)
        counts = run["counts"]
        done = sum(n for name, n in counts.items() if name != "selected")
        selected = counts["selected"]
        filled = 20 * done // selected if selected else 0
        line = f"run {run_id}: {run['status']:11} [{'#' * filled:20}] {done}/{selected} tags"
        if sys.stdout.isatty():
            print(f"\r{line}", end="", flush=True)
        elif line != shown:
            print(line)
        shown = line
        if run["status"] in NOTHING_MORE_TO_DO:
            if sys.stdout.isatty():
                print()
            return run
        time.sleep(0.2)


def results_show(client, key, run):
    for result in client.registrysync.listRunResults(key, run["id"]):
        name = f"{result['repository']}:{result['tag']}"
        print(f"  {result['action']:7} {result['status']:7} {name} {result.get('error', '')}".rstrip())
    counts = dict(run["counts"])
    selected = counts.pop("selected")
    print(f"  {run['status']}: {selected} tags, {numbers(counts)}; {run['bytes']} bytes copied")


def sync(client, key, options):
    """Runs the project; returns whether everything succeeded."""
    project_make(client, key, options)
    plan_show(client.registrysync.plan(key, options.project))
    run = run_wait(client, key, client.registrysync.run(key, options.project))
    results_show(client, key, run)
    counts = run["counts"]
    if options.expect_nothing_copied and counts["copied"] + counts["updated"]:
        print("  the run copied something although nothing had changed", file=sys.stderr)
        return False
    return run["status"] == "FINISHED" and not counts["failed"] + counts["blocked"]


def main():
    options = arguments()
    password = pathlib.Path(options.password_file).read_text().splitlines()[0]
    client = xmlrpc.client.ServerProxy(options.url.rstrip("/") + "/rpc/api")
    try:
        key = client.auth.login(options.login, password)
        try:
            done = sync(client, key, options)
        finally:
            client.auth.logout(key)
    except xmlrpc.client.Fault as fault:
        print(f"the server refused: {fault.faultString} ({fault.faultCode})", file=sys.stderr)
        return 2
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
