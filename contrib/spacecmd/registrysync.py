# SPDX-License-Identifier: Apache-2.0
"""registrysync in spacecmd: sync projects, their images and runs, and the registries behind them.

docs/spacecmd.md says how to load it. Each `do_…` function is a command, and `self` is the shell. A
command's help is the function's docstring. COMPLETIONS defines what Tab completes.
"""

import getpass
import inspect
import logging
import pathlib
import time
from xmlrpc.client import Fault

from spacecmd.utils import (
    filter_results,
    get_argument_parser,
    is_interactive,
    parse_command_arguments,
    prompt_user,
    tab_completer,
)

UNDER_WAY = ("READY", "RUNNING")
SECONDS_BETWEEN_LOOKS = 1
LOG_PAGE = 1000


# Helpers. Names that begin with an underscore don't become commands.


def _parse(args, glob=True, **flags):
    """Positional arguments and options; `flags` maps names to the keywords of add_argument."""
    parser = get_argument_parser()
    for name, keywords in flags.items():
        letter = keywords.pop("letter", None)
        names = ([letter] if letter else []) + ["--" + name.replace("_", "-")]
        parser.add_argument(*names, **keywords)
    return parse_command_arguments(args, parser, glob=glob)


def _yes():
    return {"letter": "-y", "action": "store_true", "help": "don't ask"}


def _wrong(self, command):
    """Too few or too many arguments: shows the usage."""
    getattr(self, "help_" + command)()
    return 1


def _lines(texts):
    """Prints one per line, sorted."""
    texts = sorted(texts)
    if texts:
        print("\n".join(texts))


def _picked(known, patterns, what):
    """The known labels that match the patterns, and 1 if nothing matched one of them, else 0.

    An exact label takes precedence.
    """
    picked, status = [], 0
    for pattern in patterns:
        found = [pattern] if pattern in known else filter_results(known, [pattern])
        if not found:
            logging.error("No %s matches %s", what, pattern)
            status = 1
        picked += found
    return sorted(set(picked)), status


def _agreed(self, options, title, labels, question):
    """Whether the user confirms; -y, of the command or of spacecmd, skips the question."""
    print(title)
    print("-" * len(title))
    _lines(labels)
    return options.yes or self.user_confirm(question)


def _each(labels, action, failure):
    """Calls `action` for each label and goes on after a failure; 1 if any failed."""
    status = 0
    for label in labels:
        try:
            action(label)
        except Fault as fault:
            logging.error("%s %s: %s", failure, label, fault.faultString)
            status = 1
    return status


def _text(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(_text(entry) for entry in value)
    return str(value)


def _show(struct, labels):
    """The members that have a value, with their labels in one column."""
    width = max(len(label) for _, label in labels) + 2
    for member, label in labels:
        text = _text(struct.get(member, ""))
        if text:
            print(f"{label + ':':{width}}{text}")


def _tls(store):
    """How the connections to a registry are protected, as `registrysync store list` shows it."""
    if store.get("plain_http"):
        return "none"
    return "verified" if store.get("tls_verify", True) else "not verified"


def _selection(item):
    """The tags that an item selects, as text."""
    words = [
        ("", "tags"),
        ("regex ", "tags_regex"),
        ("semver ", "semver"),
        ("but not ", "tags_exclude_regex"),
        ("newest ", "newest"),
        ("by ", "newest_by"),
        ("newer than days ", "newer_than_days"),
    ]
    picked = [before + _text(item[name]) for before, name in words if item.get(name)]
    if not any(item.get(name) for _, name in words[:3]):
        picked.insert(0, "all tags")
    return ", ".join(picked)


def _projects(self):
    return [p["label"] for p in self.client.registrysync.listProjects(self.session)]


def _stores(self):
    return [s["label"] for s in self.client.image.store.listImageStores(self.session)]


# Projects.


def do_registrysync_listprojects(self, args, doreturn=False):
    """registrysync_listprojects: List all sync projects
    usage: registrysync_listprojects
    """
    labels = _projects(self)
    if doreturn:
        return labels
    _lines(labels)
    return None


def do_registrysync_create(self, args):
    """registrysync_create: Create a sync project; prompts without options
    usage: registrysync_create -n LABEL -f STORE -t STORE [options]

    options:
      -n, --name          label of the new project
      -f, --from          image store of the source registry
      -t, --to            image store of the target registry
      -p, --placement     path (default), flat or scoped
      -a, --architecture  only these platforms, separated by commas: amd64,arm64
      -d, --description   a note for users
    """
    arguments, options = _parse(
        args,
        glob=False,
        name={"letter": "-n"},
        **{"from": {"letter": "-f"}},
        to={"letter": "-t"},
        placement={"letter": "-p"},
        architecture={"letter": "-a"},
        description={"letter": "-d"},
    )
    if arguments:
        return _wrong(self, "registrysync_create")
    if is_interactive(options):
        options.name = prompt_user("Label:", noblank=True)
        setattr(options, "from", prompt_user("Copy from registry:", noblank=True))
        options.to = prompt_user("Copy to registry:", noblank=True)
        options.placement = prompt_user("Placement [path]:")
    source = getattr(options, "from")
    for value, name in [(options.name, "name"), (source, "source"), (options.to, "target")]:
        if not value:
            logging.error("A %s is required", name)
            return 1
    more = {}
    if options.placement:
        more["placement"] = options.placement
    if options.architecture:
        more["architectures"] = [name.strip() for name in options.architecture.split(",")]
    if options.description:
        more["description"] = options.description
    self.client.registrysync.create(self.session, options.name, source, options.to, more)
    return 0


def do_registrysync_details(self, args):
    """registrysync_details: Show sync projects and what they copy
    usage: registrysync_details PROJECT ...
    """
    arguments, _ = _parse(args)
    if not arguments:
        return _wrong(self, "registrysync_details")
    labels, status = _picked(_projects(self), arguments, "project")
    for number, label in enumerate(labels):
        if number:
            print(self.SEPARATOR)
        project = self.client.registrysync.getDetails(self.session, label)
        project["last"] = project.get("last_run", {}).get("status", "")
        members = [
            ("label", "Label"),
            ("description", "Description"),
            ("src_store_label", "From"),
            ("dest_store_label", "To"),
            ("placement", "Placement"),
            ("architectures", "Architectures"),
            ("enabled", "Enabled"),
            ("cron_expr", "Schedule"),
            ("last", "Last run"),
        ]
        _show(project, members)
        print("\nImages\n------")
        _lines(f"{item['repository']} ({_selection(item)})" for item in project["items"])
    return status


def do_registrysync_delete(self, args):
    """registrysync_delete: Delete sync projects and the history of their runs
    usage: registrysync_delete [-y] PROJECT ...

    options:
      -y, --yes   don't ask
    """
    arguments, options = _parse(args, yes=_yes())
    if not arguments:
        return _wrong(self, "registrysync_delete")
    labels, status = _picked(_projects(self), arguments, "project")
    if not labels:
        return 1
    if not _agreed(self, options, "Projects", labels, "Delete these projects [y/N]:"):
        return status
    delete = self.client.registrysync.delete
    failed = _each(labels, lambda label: delete(self.session, label), "Failed to delete project")
    return failed or status


# Images of a project.


def do_registrysync_listimages(self, args):
    """registrysync_listimages: List the images of a sync project
    usage: registrysync_listimages PROJECT
    """
    arguments, _ = _parse(args, glob=False)
    if len(arguments) != 1:
        return _wrong(self, "registrysync_listimages")
    items = self.client.registrysync.listImages(self.session, arguments[0])
    _lines(f"{item['repository']} ({_selection(item)})" for item in items)
    return 0


def do_registrysync_addimage(self, args):
    """registrysync_addimage: Add an image to a sync project
    usage: registrysync_addimage PROJECT REPOSITORY [TAG ...] [options]

    Without tags and options all tags are copied.

    options:
      -r, --regex     tags that match this regular expression
      -s, --semver    versions in this range, such as '>=1.26'
      -x, --exclude   without the tags that match this regular expression
      -n, --newest    of the tags selected by patterns, only this number of the newest
    """
    arguments, options = _parse(
        args,
        glob=False,
        regex={"letter": "-r"},
        semver={"letter": "-s"},
        exclude={"letter": "-x"},
        newest={"letter": "-n"},
    )
    if len(arguments) < 2:
        return _wrong(self, "registrysync_addimage")
    project, repository, *tags = arguments
    selectors = {
        "tags_regex": options.regex,
        "semver": options.semver,
        "tags_exclude_regex": options.exclude,
        "newest": options.newest,
    }
    selectors = {name: text for name, text in selectors.items() if text}
    self.client.registrysync.addImage(self.session, project, repository, tags, selectors)
    return 0


def do_registrysync_removeimage(self, args):
    """registrysync_removeimage: Remove images from a sync project; the registries keep them
    usage: registrysync_removeimage [-y] PROJECT REPOSITORY ...

    options:
      -y, --yes   don't ask
    """
    arguments, options = _parse(args, yes=_yes())
    if len(arguments) < 2:
        return _wrong(self, "registrysync_removeimage")
    items = self.client.registrysync.listImages(self.session, arguments[0])
    known = [item["repository"] for item in items]
    named, status = _picked(known, arguments[1:], "image")
    if not named:
        return 1
    if not _agreed(self, options, "Images", named, "Remove these images [y/N]:"):
        return status
    remove = self.client.registrysync.removeImage
    ids = [item["id"] for item in items if item["repository"] in named]
    failed = _each(ids, lambda item_id: remove(self.session, item_id), "Failed to remove image")
    return failed or status


# Schedules.


def do_registrysync_setschedule(self, args):
    """registrysync_setschedule: Set the schedule of a sync project
    usage: registrysync_setschedule PROJECT 'SECOND MINUTE HOUR DAY MONTH WEEKDAY [YEAR]'

    example: registrysync_setschedule web '0 0 3 * * ?'
    """
    arguments, _ = _parse(args, glob=False)
    if len(arguments) < 2:
        return _wrong(self, "registrysync_setschedule")
    project, *fields = arguments
    self.client.registrysync.setSchedule(self.session, project, " ".join(fields))
    return 0


def do_registrysync_removeschedule(self, args):
    """registrysync_removeschedule: Remove the schedules of sync projects
    usage: registrysync_removeschedule [-y] PROJECT ...

    options:
      -y, --yes   don't ask
    """
    arguments, options = _parse(args, yes=_yes())
    if not arguments:
        return _wrong(self, "registrysync_removeschedule")
    labels, status = _picked(_projects(self), arguments, "project")
    if not labels:
        return 1
    if not _agreed(self, options, "Projects", labels, "Remove these schedules [y/N]:"):
        return status
    change = self.client.registrysync.setSchedule
    failed = _each(labels, lambda label: change(self.session, label, ""), "Failed for project")
    return failed or status


def do_registrysync_listschedules(self, args):
    """registrysync_listschedules: List the schedules of sync projects
    usage: registrysync_listschedules
    """
    projects = self.client.registrysync.listProjects(self.session)
    _lines(f"{p['label']}: {p['cron_expr']}" for p in projects if p.get("cron_expr"))


# Runs.


def do_registrysync_run(self, args):
    """registrysync_run: Start runs of sync projects, and print their ids
    usage: registrysync_run [-w] PROJECT ...

    options:
      -w, --wait   wait until they have ended
    """
    arguments, options = _parse(args, wait={"letter": "-w", "action": "store_true"})
    if not arguments:
        return _wrong(self, "registrysync_run")
    labels, status = _picked(_projects(self), arguments, "project")
    runs = {}

    def start(label):
        runs[label] = self.client.registrysync.run(self.session, label)
        print(f"{label}: run {runs[label]}")

    status = _each(labels, start, "Failed to run project") or status
    if options.wait:
        ended = [_run_ended(self, label, run) for label, run in runs.items()]
        status = status or int(not all(ended))
    return status


def _run_ended(self, label, run_id):
    """Waits until the run has ended; returns whether it copied everything."""
    run = self.client.registrysync.getRun(self.session, run_id)
    while run["status"] in UNDER_WAY:
        time.sleep(SECONDS_BETWEEN_LOOKS)
        run = self.client.registrysync.getRun(self.session, run_id)
    counts = run["counts"]
    said = ", ".join(f"{n} {name}" for name, n in counts.items() if n and name != "selected")
    print(f"{label}: {run['status']}, {said or 'no tags'}")
    return run["status"] == "FINISHED" and not counts["failed"] + counts["blocked"]


def do_registrysync_runlog(self, args):
    """registrysync_runlog: Show the log of a run of a sync project
    usage: registrysync_runlog PROJECT [RUN]

    RUN is the run's id; default: the latest run.
    """
    arguments, _ = _parse(args, glob=False)
    if len(arguments) not in (1, 2) or not (arguments[1:] or ["0"])[0].isdigit():
        return _wrong(self, "registrysync_runlog")
    runs = self.client.registrysync.listRuns(self.session, arguments[0], 1)
    if len(arguments) == 2:
        run = self.client.registrysync.getRun(self.session, int(arguments[1]))
        if run["project_label"] != arguments[0]:
            logging.error("Run %s belongs to project %s", arguments[1], run["project_label"])
            return 1
        runs = [run]
    if not runs:
        logging.error("Project %s has not run yet", arguments[0])
        return 1
    seen = 0
    while True:
        page = self.client.registrysync.getRunLog(self.session, runs[0]["id"], seen, LOG_PAGE)
        for line in page:
            print(f"{line['time']} {line['level']:5} {line['message']}")
        seen += len(page)
        if len(page) < LOG_PAGE:
            return 0


# Contents of registries.


def do_registrysync_listrepositories(self, args):
    """registrysync_listrepositories: List the repositories of a registry
    usage: registrysync_listrepositories REGISTRY [REGEX]
    """
    arguments, _ = _parse(args, glob=False)
    if len(arguments) not in (1, 2):
        return _wrong(self, "registrysync_listrepositories")
    _lines(self.client.registrysync.listRepositories(self.session, *arguments))
    return 0


def do_registrysync_listtags(self, args):
    """registrysync_listtags: List the tags of a repository
    usage: registrysync_listtags REGISTRY REPOSITORY [REGEX]
    """
    arguments, _ = _parse(args, glob=False)
    if len(arguments) not in (2, 3):
        return _wrong(self, "registrysync_listtags")
    _lines(self.client.registrysync.listTags(self.session, *arguments))
    return 0


# Registries, which are image stores.


def do_registry_list(self, args, doreturn=False):
    """registry_list: List all registries
    usage: registry_list
    """
    labels = _stores(self)
    if doreturn:
        return labels
    _lines(labels)
    return None


def do_registry_create(self, args):
    """registry_create: Create an image store for a registry; prompts without options
    usage: registry_create -n LABEL -u ADDRESS [options]

    options:
      -n, --name            label
      -u, --uri             host[:port][/prefix], with http:// in front if it has no TLS
      -l, --login           user at the registry; prompts for the password
          --password-file   file with the password in its first line, instead of the prompt
    """
    arguments, options = _parse(
        args,
        glob=False,
        name={"letter": "-n"},
        uri={"letter": "-u"},
        login={"letter": "-l"},
        password_file={},
    )
    if arguments:
        return _wrong(self, "registry_create")
    if is_interactive(options):
        options.name = prompt_user("Label:", noblank=True)
        options.uri = prompt_user("Address:", noblank=True)
        options.login = prompt_user("User (blank for none):")
    for value, name in [(options.name, "A name"), (options.uri, "An address")]:
        if not value:
            logging.error("%s is required", name)
            return 1
    credentials = {}
    if options.login:
        credentials["username"] = options.login
        if options.password_file:
            password = pathlib.Path(options.password_file).expanduser().read_text("utf-8")
            credentials["password"] = password.partition("\n")[0]
        else:
            credentials["password"] = getpass.getpass("Password: ")
    create = self.client.image.store.create
    create(self.session, options.name, options.uri, "registry", credentials)
    return 0


def do_registry_details(self, args):
    """registry_details: Show registries
    usage: registry_details REGISTRY ...
    """
    arguments, _ = _parse(args)
    if not arguments:
        return _wrong(self, "registry_details")
    labels, status = _picked(_stores(self), arguments, "registry")
    for number, label in enumerate(labels):
        if number:
            print(self.SEPARATOR)
        members = [
            ("label", "Label"),
            ("uri", "Address"),
            ("storetype", "Type"),
            ("username", "User"),
            ("tls", "TLS"),
        ]
        store = self.client.image.store.getDetails(self.session, label)
        _show({**store, "tls": _tls(store)}, members)
    return status


def do_registry_delete(self, args):
    """registry_delete: Delete image stores; the registries keep their images
    usage: registry_delete [-y] REGISTRY ...

    options:
      -y, --yes   don't ask
    """
    arguments, options = _parse(args, yes=_yes())
    if not arguments:
        return _wrong(self, "registry_delete")
    labels, status = _picked(_stores(self), arguments, "registry")
    if not labels:
        return 1
    if not _agreed(self, options, "Registries", labels, "Delete these registries [y/N]:"):
        return status
    delete = self.client.image.store.delete
    failed = _each(labels, lambda label: delete(self.session, label), "Failed to delete registry")
    return failed or status


def do_registry_test(self, args):
    """registry_test: Test the connection to registries, step by step
    usage: registry_test REGISTRY ...
    """
    arguments, _ = _parse(args)
    if not arguments:
        return _wrong(self, "registry_test")
    labels, status = _picked(_stores(self), arguments, "registry")
    for label in labels:
        ping = self.client.registrysync.ping(self.session, label)
        status = status if ping["ok"] else 1
        for step in ping["steps"]:
            state = "ok" if step["ok"] else "failed"
            print(f"{label}: {step['name']}: {state} {step.get('message', '')}".rstrip())
    return status


# Help and completion. Which labels Tab completes, for the first argument or for all.

COMPLETIONS = {
    "registrysync_details": (_projects, "all"),
    "registrysync_delete": (_projects, "all"),
    "registrysync_listimages": (_projects, "first"),
    "registrysync_addimage": (_projects, "first"),
    "registrysync_removeimage": (_projects, "first"),
    "registrysync_setschedule": (_projects, "first"),
    "registrysync_removeschedule": (_projects, "all"),
    "registrysync_run": (_projects, "all"),
    "registrysync_runlog": (_projects, "first"),
    "registrysync_listrepositories": (_stores, "first"),
    "registrysync_listtags": (_stores, "first"),
    "registry_details": (_stores, "all"),
    "registry_delete": (_stores, "all"),
    "registry_test": (_stores, "all"),
}


def _help_of(function):
    text = inspect.getdoc(function)

    def show(self):
        print(text)

    return show


def _completion_of(labels, places):
    def complete(self, text, line, beg, end):
        # The first argument has no other word before it, except options.
        before = [word for word in line[:beg].split()[1:] if not word.startswith("-")]
        if places == "first" and before:
            return []
        return tab_completer(labels(self), text)

    return complete


for _name, _function in list(globals().items()):
    if _name.startswith("do_"):
        globals()["help_" + _name[len("do_"):]] = _help_of(_function)
for _name, _sources in COMPLETIONS.items():
    globals()["complete_" + _name] = _completion_of(*_sources)

# The names that `from … import *` adds to the shell.
__all__ = [name for name in globals() if name.startswith(("do_", "help_", "complete_"))]
