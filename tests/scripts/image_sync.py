#!/usr/bin/env python3
"""The calls that scripts of Uyuni's prototype make, with Python's standard client.

usage: image_sync.py URL LOGIN PASSWORD SOURCE TARGET
"""

import sys
import xmlrpc.client

url, login, password, source, target = sys.argv[1:]
client = xmlrpc.client.ServerProxy(url + "/rpc/api")
key = client.auth.login(login, password)

client.image.store.create(key, "hub", source, "registry", {})
client.image.store.create(key, "mirror", target, "registry", {})
assert client.image.sync.listImages(key, "hub", "") == ["library/nginx", "tools/busybox"]
assert client.image.sync.listImages(key, "hub", "^tools/") == ["tools/busybox"]
assert client.image.sync.listImageTags(key, "hub", "library/nginx") == ["1.25", "1.26", "latest"]

made = client.image.sync.createProject(key, "web", "hub", "mirror", True)
assert made == {
    "id": made["id"],
    "name": "web",
    "src_store_label": "hub",
    "dest_store_label": "mirror",
    "scoped": True,
}, made
by_id = client.image.sync.createProject(key, "flat", 1, 2, False)
assert by_id["src_store_label"] == "hub" and by_id["scoped"] is False, by_id
assert client.image.sync.listProjects(key) == [by_id, made]
assert client.image.sync.deleteProject(key, "flat") == 1

literal = client.image.sync.createSyncItem(key, "web", "library/nginx", ["1.25", "1.26"])
assert literal == {
    "id": literal["id"],
    "repository": "library/nginx",
    "tags": ["1.25", "1.26"],
    "tags_regex": "",
}, literal
regex = client.image.sync.createSyncItem(key, made["id"], "tools/busybox", "^1\\.")
both = client.image.sync.createSyncItem(key, "web", "tools/busybox", ["latest"], "^2")
assert (both["tags"], both["tags_regex"]) == (["latest"], "^2"), both
details = client.image.sync.getProjectDetails(key, "web")
assert details == client.image.sync.getProjectDetails(key, made["id"])
assert details["items"] == [literal, regex, both], details

changed = client.image.sync.updateImageSyncItem(key, regex["id"], "tools/busybox", ["1.36"], "")
assert (changed["tags"], changed["tags_regex"]) == (["1.36"], ""), changed
assert client.image.sync.deleteSyncItem(key, both["id"]) == 1
same = client.image.sync.updateProject(key, "web", "", "")
assert same == made, same
swapped = client.image.sync.updateProject(key, "web", "", "", False)
assert swapped["scoped"] is False, swapped
assert client.image.sync.updateProject(key, "web", "", "", True) == made

try:
    client.image.sync.getProjectDetails(key, "nothing")
    raise AssertionError("a project that isn't there was shown")
except xmlrpc.client.Fault as fault:
    assert fault.faultCode == 10101, fault

print(client.registrysync.run(key, "web"))
client.auth.logout(key)
