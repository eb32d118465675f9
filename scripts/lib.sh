# Shared by scripts/demo and scripts/test: finds and installs what they need. Sourced by bash, not run.

say() { printf '%s\n' "$*"; }
die() {
    printf '%s\n' "$*" >&2
    exit 3
}

# On Debian, the programs of server packages aren't on an unprivileged user's PATH.
export PATH="$PATH:/usr/sbin:/sbin"

on_debian() {
    [ -r /etc/os-release ] && command -v apt-get >/dev/null &&
        grep -Eq '^(ID|ID_LIKE)=.*debian' /etc/os-release
}

# How to become root: "" if we are root, "sudo" if sudo works, otherwise "none".
root_way() {
    if [ "$(id -u)" = 0 ]; then
        echo ""
    elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        echo sudo
    else
        echo none
    fi
}

can_install() { on_debian && [ "$(root_way)" != none ]; }

# On Debian, PostgreSQL's server programs aren't on PATH.
postgres_found() {
    command -v postgres >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null
}

# tool_found NAME: whether the command or library from the Debian package NAME is installed.
tool_found() {
    case $1 in
    gcc) command -v cc >/dev/null ;;
    libc6-dev) [ -e /usr/include/stdio.h ] ;;
    postgresql) postgres_found ;;
    nginx-light) command -v nginx >/dev/null ;;
    librpc-xml-perl) perl -MRPC::XML::Client -e1 2>/dev/null ;;
    ruby-xmlrpc) ruby -rxmlrpc/client -e1 2>/dev/null ;;
    ansible-core) command -v ansible-playbook >/dev/null ;;
    python3-venv) python3 -c 'import ensurepip, venv' 2>/dev/null ;;
    openapi-spec-validator | schemathesis) [ -x "$(pypi_tools)/bin/$1" ] ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

# tools_missing NAME...: prints the names that aren't installed, one per line.
tools_missing() {
    local name
    for name in "$@"; do
        tool_found "$name" || echo "$name"
    done
}

# packages_announce NAME...: says what packages_install will do.
packages_announce() {
    if [ $# = 0 ]; then
        say "Nothing to install: everything needed is there."
    elif can_install; then
        say "Will install with apt-get${SUDO:+ (and sudo)}: $*"
    else
        say "Can't install packages (only on Debian, as root or with sudo). Missing: $*"
    fi
}

# packages_install NAME...: installs them if possible, without starting their services. If that fails, it
# prints apt-get's last lines and returns 1.
packages_install() {
    [ $# = 0 ] && return 0
    can_install || return 0
    local log status=0
    log=$(mktemp)
    $SUDO bash -s -- "$@" >"$log" 2>&1 <<'ROOT' || status=$?
set -eu
export DEBIAN_FRONTEND=noninteractive
# Only the programs are needed: until apt-get is done, refuse to start services and create no database
# cluster. An existing policy of the machine stays unchanged.
policy=/usr/sbin/policy-rc.d
cluster=/etc/postgresql-common/createcluster.d/registrysync-no-cluster.conf
cleanup() {
    if [ -n "${policy_ours-}" ]; then rm -f "$policy"; fi
    rm -f "$cluster"
}
trap cleanup EXIT
if [ ! -e "$policy" ]; then
    policy_ours=1
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
mkdir -p "${cluster%/*}"
echo 'create_main_cluster = false' >"$cluster"
install() { apt-get install -y -q --no-install-recommends "$@" </dev/null; }
install "$@" || { apt-get update -q && install "$@"; }
ROOT
    if [ $status != 0 ]; then
        say "apt-get could not install: $*. Its last lines:" >&2
        tail -n 15 "$log" >&2
        status=1
    fi
    rm -f "$log"
    return $status
}

# rust_check: ends the script if the tools to build are missing.
rust_check() {
    command -v cc >/dev/null && command -v make >/dev/null ||
        die "a C compiler or make is missing, and cargo needs both: install gcc, libc6-dev and make"
    # rustup's directory may not be on the PATH of the calling shell.
    command -v cargo >/dev/null || export PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"
    command -v cargo >/dev/null ||
        die "cargo is missing: install Rust 1.95 or newer first, see https://rustup.rs"
}

# If another user (such as root) has built here before, build in a directory that we can write to.
target_choose() {
    [ -n "${CARGO_TARGET_DIR:-}" ] || unset CARGO_TARGET_DIR
    local wanted=${CARGO_TARGET_DIR:-$ROOT/target}
    if mkdir -p "$wanted" 2>/dev/null && [ -w "$wanted" ] &&
        [ -z "$(find "$wanted" -maxdepth 2 ! -writable -print -quit)" ]; then
        return
    fi
    export CARGO_TARGET_DIR="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/registrysync-target"
    if ! mkdir -p "$CARGO_TARGET_DIR" 2>/dev/null; then
        CARGO_TARGET_DIR=$(mktemp -d)
    fi
    say "$wanted isn't writable; building in $CARGO_TARGET_DIR."
}

# The directory where tests/requirements.txt is installed; the tests look there.
pypi_tools() { echo "${CARGO_TARGET_DIR:-$ROOT/target}/pypi-tools"; }

# pypi_tools_install: installs them for this Python, and again if the file has changed. If that fails, it
# prints pip's last lines and returns 1. Call target_choose first.
pypi_tools_install() {
    tool_found python3-venv || return 0
    local wanted=$ROOT/tests/requirements.txt home log stamp
    home=$(pypi_tools)
    stamp="$(python3 -c 'import sys; print(sys.executable, sys.version)') $(cksum <"$wanted")"
    [ "$(cat "$home/stamp" 2>/dev/null)" != "$stamp" ] || return 0
    say "Will install tests/requirements.txt from PyPI into $home"
    log=$(mktemp)
    if python3 -m venv --clear "$home" >"$log" 2>&1 &&
        "$home/bin/python" -m pip install --require-hashes --only-binary :all: -r "$wanted" >>"$log" 2>&1; then
        printf '%s\n' "$stamp" >"$home/stamp"
        rm -f "$log"
        return 0
    fi
    say "pip could not install them. Its last lines:" >&2
    tail -n 15 "$log" >&2
    rm -rf "$log" "$home"
    return 1
}

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SUDO=$(root_way)
if [ "$SUDO" = none ]; then SUDO=; fi
