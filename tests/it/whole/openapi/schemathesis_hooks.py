"""What schemathesis needs to know of the server under test: its session, and what is in it.

Without this it would guess labels that don't exist, so that hardly a call got beyond "not found".
"""

import json
import os
import zlib

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

SESSION = os.environ["TEST_SESSION"]
# One that may end.
OTHER_SESSION = os.environ["TEST_OTHER_SESSION"]
# Parameter or member -> values that mean something to the server.
KNOWN = json.loads(os.environ["TEST_KNOWN"])
# The body of a login.
ACCOUNT = json.loads(os.environ["TEST_ACCOUNT"])
# A file with a line for each result: the operation's path.
RESULTS = os.environ["TEST_RESULTS"]


@schemathesis.auth(refresh_interval=None)
class Bearer:
    """The key of the session."""

    def get(self, case, context):
        ends = case.path.endswith("/logout")
        return OTHER_SESSION if ends else SESSION

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


def with_known(name, value, known=KNOWN):
    """The value, or, by the toss of a coin that falls the same in each run, a known one."""
    if isinstance(value, dict):
        return {key: with_known(key, member, known) for key, member in value.items()}
    if isinstance(value, list):
        return [with_known(name, member, known) for member in value]
    # A store with a proxy of its own would have any host's name looked up.
    if name == "proxy" and isinstance(value, str):
        return "http://127.0.0.1:1"
    same = [candidate for candidate in known.get(name, []) if type(candidate) is type(value)]
    coin = zlib.crc32(repr((name, value)).encode())
    # What logs in is always right: each wrong password costs two seconds.
    if same and (coin % 4 or known is ACCOUNT):
        return same[coin // 4 % len(same)]
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    known = ACCOUNT if case.path.endswith("/login") else KNOWN
    if isinstance(case.body, (dict, list)):
        case.body = with_known("", case.body, known)
    if case.query:
        case.query = with_known("", dict(case.query))


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code == 200 and b'"success":true' in response.content:
        with open(RESULTS, "a", encoding="utf-8") as results:
            results.write(case.operation.path + "\n")


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """A query can't say "either these or those": the overloads of a GET are listed as one."""
    overload = case.method == "GET" and b"Could not find method" in response.content
    return not (overload and isinstance(failure, RejectedPositiveData))
