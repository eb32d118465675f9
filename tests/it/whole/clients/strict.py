#!/usr/bin/env python3
"""A client as strict as Go's: a complete workflow, with responses restricted to plain XML-RPC.

    strict.py URL LOGIN PASSWORD_FILE SOURCE TARGET

It reads by the letter: no nil, no i8, no unknown element, whole numbers as int or i4 within 32 bits,
dates without zone, and a struct's members with the types of the field they are read into. It sends
integers as <int>.
"""

import pathlib
import re
import sys
import time
import urllib.request
import xml.etree.ElementTree as ET

INT = re.compile(r"-?[0-9]+")
DATE = re.compile(r"[0-9]{8}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
PROJECT = "strict-example"
# The fields of a run as a Go program would declare them.
RUN = {"id": int, "project_label": str, "status": str, "trigger": str, "force": bool, "fire_time": "date",
       "start_time": "date", "end_time": "date", "attempt": int, "worker": str, "message": str,
       "counts": dict, "bytes": str, "blobs_copied": int, "blobs_mounted": int}


class Date(str):
    """A dateTime.iso8601, unparsed."""


class Fault(Exception):
    pass


def only(element, tag, inside):
    """The single child with that tag; nothing else is allowed."""
    children = list(element)
    assert [c.tag for c in children] == [tag], f"{inside}: {[c.tag for c in children]}"
    assert not (element.text or "").strip(), f"text within {inside}"
    return children[0]


def read(value):
    assert value.tag == "value", value.tag
    assert not value.attrib
    children = list(value)
    if not children:
        return value.text or ""
    assert len(children) == 1, "a value of several types"
    typed = children[0]
    assert not typed.attrib and not (value.text or "").strip()
    text = typed.text or ""
    if typed.tag in ("int", "i4"):
        assert INT.fullmatch(text) and -(2**31) <= int(text) < 2**31, text
        return int(text)
    if typed.tag == "boolean":
        assert text in ("0", "1"), text
        return text == "1"
    if typed.tag == "string":
        assert not list(typed)
        return text
    if typed.tag == "dateTime.iso8601":
        assert DATE.fullmatch(text), text
        return Date(text)
    if typed.tag == "array":
        return [read(entry) for entry in only(typed, "data", "array")]
    if typed.tag == "struct":
        members = {}
        for member in typed:
            assert member.tag == "member", member.tag
            name, content = member
            assert name.tag == "name" and name.text and name.text not in members, name.text
            members[name.text] = read(content)
        return members
    raise AssertionError(f"<{typed.tag}> is no type of plain XML-RPC")


def written(value, parent):
    element = ET.SubElement(parent, "value")
    if isinstance(value, bool):
        ET.SubElement(element, "boolean").text = str(int(value))
    elif isinstance(value, int):
        ET.SubElement(element, "int").text = str(value)
    elif isinstance(value, str):
        ET.SubElement(element, "string").text = value
    elif isinstance(value, list):
        data = ET.SubElement(ET.SubElement(element, "array"), "data")
        for entry in value:
            written(entry, data)
    else:
        struct = ET.SubElement(element, "struct")
        for name, member in value.items():
            place = ET.SubElement(struct, "member")
            ET.SubElement(place, "name").text = name
            written(member, place)


def call(url, method, *arguments):
    root = ET.Element("methodCall")
    ET.SubElement(root, "methodName").text = method
    params = ET.SubElement(root, "params")
    for argument in arguments:
        written(argument, ET.SubElement(params, "param"))
    body = b'<?xml version="1.0" encoding="UTF-8"?>' + ET.tostring(root)
    request = urllib.request.Request(url, body, {"Content-Type": "text/xml"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/xml; charset=utf-8"
        document = answer.read()
    assert document.startswith(b"<?xml"), document[:40]
    response = ET.fromstring(document)
    assert response.tag == "methodResponse", response.tag
    first = list(response)[0]
    if first.tag == "fault":
        fault = read(only(first, "value", "fault"))
        assert set(fault) == {"faultCode", "faultString"}, fault
        assert isinstance(fault["faultCode"], int) and isinstance(fault["faultString"], str)
        raise Fault(fault)
    param = only(only(response, "params", "methodResponse"), "param", "params")
    return read(only(param, "value", "param"))


def run_check(run):
    for name, value in run.items():
        kind = RUN[name]
        fits = isinstance(value, Date) if kind == "date" else type(value) is kind
        assert fits, f"{name}: {value!r}"
    assert all(type(count) is int for count in run["counts"].values())


def main():
    url, login, password_file, source, target = sys.argv[1:]
    url = url + "/rpc/api"
    password = pathlib.Path(password_file).read_text().splitlines()[0]
    key = call(url, "auth.login", login, password)
    assert re.fullmatch("[1-9][0-9]*x[a-f0-9]{64}", key)

    def do(method, *arguments):
        return call(url, method, key, *arguments)

    for label, address in [("strict-from", source), ("strict-to", target)]:
        assert do("image.store.create", label, address, "registry", {}) == 1
        assert do("image.store.setDetails", label, {"tls_verify": True}) == 1
        assert do("image.store.getDetails", label)["label"] == label
    made = do("registrysync.create", PROJECT, "strict-from", "strict-to")
    changed = do("registrysync.setDetails", PROJECT, {"max_parallel": 2, "version": made["version"]})
    assert changed["max_parallel"] == 2 and changed["version"] > made["version"]
    assert do("registrysync.getDetails", made["id"])["label"] == PROJECT
    item = do("registrysync.addImage", PROJECT, "library/nginx", ["1.26.0", "latest"])
    other = do("registrysync.addImage", PROJECT, "library/busybox", r"^1\.3[67]")
    unwanted = do("registrysync.addImage", PROJECT, "library/postgres", [])
    assert do("registrysync.removeImage", unwanted["id"]) == 1
    assert [i["id"] for i in do("registrysync.listImages", PROJECT)] == [item["id"], other["id"]]
    assert len(do("registrysync.plan", PROJECT)["actions"]) == 3
    run_id = do("registrysync.run", PROJECT)
    run = do("registrysync.getRun", run_id)
    while run["status"] in ("READY", "RUNNING"):
        run_check(run)
        time.sleep(0.2)
        run = do("registrysync.getRun", run_id)
    run_check(run)
    assert run["status"] == "FINISHED", run
    assert len(do("registrysync.listRunResults", run_id)) == 3
    assert do("registrysync.getRunLog", run_id)
    # The method with the most kinds of members.
    do("registrysync.getImageDetails", "strict-from", "library/nginx", "latest")
    do("registrysync.listArchitectures", "strict-from", "library/nginx", "latest")
    do("registrysync.ping", "strict-to")
    call(url, "api.getApiCallList")
    assert do("registrysync.delete", PROJECT) == 1
    for label in ("strict-from", "strict-to"):
        assert do("image.store.delete", label) == 1
    assert do("registrysync.listProjects") == [] and do("image.store.listImageStores") == []
    assert do("auth.logout") == 1
    try:
        do("registrysync.listProjects")
    except Fault as fault:
        assert "Could not find session" in str(fault), fault
    else:
        raise AssertionError("the session goes on after the logout")
    print("logged out")


if __name__ == "__main__":
    main()
