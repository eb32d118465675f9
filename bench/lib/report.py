"""The table in bench/README.md."""

import os
import pathlib
import platform
import statistics

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"

# Seconds (skopeo, regsync) measured on another machine with two cores. If regsync isn't installed, its
# time is estimated from their ratio.
ELSEWHERE = {"cold": (5.2, 2.5), "warm": (0.55, 0.16), "shared": (13.5, 5.0)}

COLUMNS = [
    ("manifest HEAD", "HEAD", "manifest"),
    ("manifest GET", "GET", "manifest"),
    ("blob HEAD", "HEAD", "blob"),
    ("blob GET", "GET", "blob"),
    ("mount", "POST", "mount"),
    ("upload POST", "POST", "upload"),
    ("PATCH", "PATCH", "upload"),
    ("PUT", "PUT", "upload"),
    ("manifest PUT", "PUT", "manifest"),
]


def machine():
    model = "unknown processor"
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "unknown system")
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, {pages >> 30} GiB, {system}, Linux {platform.release()}"


def table_row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def times_table(outcomes):
    yield table_row("case", "tool", "wall s", "× ours", "CPU s", "peak MiB")
    yield "|---|---|--:|--:|--:|--:|"
    for outcome in outcomes:
        ours = outcome.runs.get("registrysync")
        for name, runs in outcome.runs.items():
            ratio = "–"
            if ours and name != "registrysync":
                pairs = zip(runs, ours)
                ratio = f"{statistics.median(r['wall'] / o['wall'] for r, o in pairs):.1f}"
            yield table_row(
                outcome.case.title,
                name,
                f"{median(runs, 'wall'):.2f}",
                ratio,
                f"{median(runs, 'cpu'):.2f}",
                f"{median(runs, 'peak_mib'):.0f}",
            )
        if outcome.alone:
            ratio = f"{median(outcome.alone, 'wall') / median(ours, 'wall'):.1f}" if ours else "–"
            wall = f"{median(outcome.alone, 'wall'):.2f}"
            yield table_row(outcome.case.title, "the target alone", wall, ratio, "", "")
        yield from stand_in(outcome, ours)


def stand_in(outcome, ours):
    """An estimated row for regsync if it isn't installed."""
    name, skopeo = outcome.case.name, outcome.runs.get("skopeo")
    if name not in ELSEWHERE or "regsync" in outcome.runs or not skopeo:
        return
    there, regsync = ELSEWHERE[name]
    wall = median(skopeo, "wall") * regsync / there
    ratio = f"{wall / median(ours, 'wall'):.1f}" if ours else "–"
    yield table_row(outcome.case.title, "regsync (estimated, see below)", f"{wall:.2f}", ratio, "", "")


def requests_table(outcomes):
    yield table_row("case", "tool", "side", *(title for title, _, _ in COLUMNS), "other")
    yield "|---|---|---|" + "--:|" * (len(COLUMNS) + 1)
    for outcome in outcomes:
        for name, sides in outcome.requests.items():
            for side, counts in sides.items():
                cells = [counts[method, kind] for _, method, kind in COLUMNS]
                rest = sum(counts.values()) - sum(cells)
                yield table_row(outcome.case.name, name, side, *cells, rest)


def median(runs, member):
    return statistics.median(run[member] for run in runs)


def text(outcomes, versions, load):
    lines = [f"Machine: {machine()}; load average before the runs: {load:.1f}.", "", "Versions: " + ", ".join(versions) + ".", ""]
    lines += [*times_table(outcomes), "", "Requests of one run:", "", *requests_table(outcomes)]
    return "\n".join(lines)


def readme_update(path, tables):
    """Writes the tables between the markers in the file at `path`."""
    before, rest = path.read_text().split(BEGIN)
    _, after = rest.split(END)
    path.write_text(f"{before}{BEGIN}\n{tables}\n{END}{after}")
