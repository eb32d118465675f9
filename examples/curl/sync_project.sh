#!/usr/bin/env bash
# A complete job with curl over JSON: log in, stores, project, items, plan, run, results, log out.
#
#   sync_project.sh http://SERVER:8080 LOGIN PASSWORD_FILE SOURCE TARGET [PROJECT]
#
# SOURCE and TARGET are addresses of registries: `host[:port]`, or `http://host:port` for one
# without TLS. The project (default: curl-example) and its stores must not exist yet; nothing is
# deleted at the end. Needs curl, and Python 3 to read and write JSON. Methods that only read are
# called with GET, all others with POST.
set -euo pipefail

if [ $# -lt 5 ]; then
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
api="${1%/}/rhn/manager/api"
login=$2
password_file=$3
source=$4
target=$5
project=${6:-curl-example}

cookies=$(mktemp)
trap 'rm -f "$cookies"' EXIT

# json NAME=VALUE...: an object of strings; NAME:=JSON inserts JSON unchanged.
json() {
    python3 -c '
import json, sys
members = {}
for argument in sys.argv[1:]:
    name, value = argument.split("=", 1)
    members[name.rstrip(":")] = json.loads(value) if name.endswith(":") else value
print(json.dumps(members))' "$@"
}

# result [EXPRESSION]: reads a response and prints its `result`, or the Python EXPRESSION over it. A
# fault ends the script with its message.
result() {
    python3 -c '
import json, sys
answer = json.load(sys.stdin)
if not answer["success"]:
    sys.exit("the server refused: %s (%s)" % (answer["message"], answer.get("code", "")))
result = answer.get("result")
shown = eval(sys.argv[1]) if len(sys.argv) > 1 else json.dumps(result, indent=2)
print(shown)' "$@"
}

# get METHOD [NAME=VALUE]...: calls a method that only reads.
get() {
    local method=$1 argument options=()
    shift
    for argument in "$@"; do options+=(--data-urlencode "$argument"); done
    curl -sS --get -b "$cookies" "${options[@]}" "$api/$method"
}

# post METHOD: calls a method that changes something; its parameters are read from standard input.
post() {
    curl -sS -b "$cookies" -c "$cookies" -H 'Content-Type: application/json' -d @- "$api/$1"
}

# The password only goes through pipes: an argument would appear in the process list.
python3 -c '
import json, sys
print(json.dumps({"login": sys.argv[1], "password": open(sys.argv[2]).readline().rstrip("\n")}))' \
    "$login" "$password_file" | post auth/login | result '"logged in"'

json label="$project-source" uri="$source" storeType=registry credentials:={} |
    post image/store/create | result '"created the source store"'
json label="$project-target" uri="$target" storeType=registry credentials:={} |
    post image/store/create | result '"created the target store"'
json label="$project" srcStore="$project-source" destStore="$project-target" |
    post registrysync/create | result '"created the project " + result["label"]'
json label="$project" repository=library/nginx tags:='["1.26.0", "latest"]' |
    post registrysync/addImage | result '"added an item with tags: " + result["repository"]'
json label="$project" repository=library/busybox tagsRegex='^1\.3[67]' |
    post registrysync/addImage | result '"added an item with a regex: " + result["repository"]'

echo "plan (nothing is written yet):"
get registrysync/plan label="$project" |
    result '"\n".join("  %(action)-7s %(repository)s:%(tag)s" % a for a in result["actions"])'

run=$(json label="$project" | post registrysync/run | result result)
while :; do
    answer=$(get registrysync/getRun runId="$run")
    status=$(result 'result["status"]' <<<"$answer")
    result '"run %(id)s: %(status)s, %(counts)s" % result' <<<"$answer"
    case $status in FINISHED | FAILED | SKIPPED | INTERRUPTED) break ;; esac
    sleep 0.5
done

echo "results:"
get registrysync/listRunResults runId="$run" | result \
    '"\n".join("  %(action)-7s %(status)-7s %(repository)s:%(tag)s %(error)s" % {"error": "", **r} for r in result)'

post auth/logout </dev/null >/dev/null
echo "logged out"
[ "$status" = FINISHED ]
