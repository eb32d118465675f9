"""The compared tools: their commands for a case, and their versions."""

import dataclasses
import os
import pathlib
import re
import shutil
import subprocess


@dataclasses.dataclass(frozen=True)
class Tool:
    name: str
    program: str

    def version(self):
        argument = "version" if self.name == "regsync" else "--version"
        words = subprocess.run([self.program, argument], capture_output=True, text=True).stdout
        found = re.search(r"v?\d+\.\d+\S*", words)
        return found.group(0) if found else "unknown"

    def command(self, case, source, target, work):
        """The command that copies the case from `source` to `target` (both host:port).

        registrysync and skopeo read the same file, so the target repository is the last part of
        the path.
        """
        if self.name == "regsync":
            config = pathlib.Path(work) / f"{case.name}.regsync.yml"
            config.write_text(regsync_config(case, source, target))
            return [self.program, "once", "-c", str(config)]
        config = pathlib.Path(work) / f"{case.name}.skopeo.yml"
        config.write_text(skopeo_config(case, source))
        if self.name == "skopeo":
            tls = ["--src-tls-verify=false", "--dest-tls-verify=false"]
            places = ["--src", "yaml", "--dest", "docker", str(config), target]
            return [self.program, "sync", "--all", *tls, *places]
        flags = ["--to", target, "--placement", "flat", "--plain-http"]
        return [self.program, "sync", str(config), *flags]


def skopeo_config(case, source):
    lines = [f"{source}:", "  tls-verify: false", "  images:"]
    return "\n".join([*lines, *(f"    {name}: []" for name in case.repositories)]) + "\n"


def regsync_config(case, source, target):
    lines = ["version: 1", "creds:"]
    for host in source, target:
        lines += [f"  - registry: {host}", "    tls: disabled"]
    lines += ["defaults:", "  parallel: 2", "sync:"]
    for name in case.repositories:
        flat = name.rsplit("/", 1)[-1]
        lines += [f"  - source: {source}/{name}", f"    target: {target}/{flat}"]
        lines += ["    type: repository"]
    return "\n".join(lines) + "\n"


def tools_here(registrysync):
    """The tools that are installed on this machine; ours first."""
    found = [Tool("registrysync", registrysync)] if os.access(registrysync, os.X_OK) else []
    for name in "skopeo", "regsync":
        program = shutil.which(name)
        if program:
            found.append(Tool(name, program))
    return found
