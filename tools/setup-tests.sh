#!/usr/bin/env bash
# Fetches the test tools into .cache/: a Python environment (requirements.txt) and Prometheus' promtool.
#
# Each is fetched once, and again when its list changes; a second run downloads nothing. No service is started.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'setup-tests: %s\n' "$*" >&2; exit 1; }
debian_root() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# The environment carries the hash of the lists that it was made from; half an environment has none.
need_environment() {
    local wanted venv=.cache/venv
    wanted=$(cat tools/requirements.txt tools/constraints.txt | sha256sum)
    [ "$(cat $venv/made-from 2>/dev/null)" = "$wanted" ] && return

    if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
        debian_root || stop "python3 cannot make environments; on Debian: sudo apt-get install python3-venv"
        say "Installing python3-venv from Debian"
        { apt-get update && apt-get install --yes --no-install-recommends python3-venv; } >&2
    fi
    say "Installing the test tools from PyPI into $venv (about a minute, once)"
    python3 -m venv --clear $venv
    $venv/bin/pip --disable-pip-version-check --quiet install -r tools/requirements.txt -c tools/constraints.txt >&2 ||
        stop "pip could not install tools/requirements.txt (its message is above); the versions are for Python 3.11 to 3.13"
    printf '%s\n' "$wanted" >$venv/made-from
}

# Debian's package is unpacked, not installed: installing it would start a server.
need_promtool() {
    command -v promtool >/dev/null && return
    command -v apt-get >/dev/null || stop "promtool is missing; it comes with Prometheus: put it on the PATH"
    say "Unpacking promtool from Debian's prometheus into .cache (20 MB, once)"
    local scratch
    scratch=$(mktemp -d)
    # shellcheck disable=SC2064 # the folder of now, not of then
    trap "rm -rf '$scratch'" EXIT
    if [ -z "$(apt-cache search --names-only '^prometheus$')" ]; then
        debian_root || stop "apt knows no packages yet: sudo apt-get update"
        apt-get update >&2
    fi
    (cd "$scratch" && apt-get -o APT::Sandbox::User= --quiet=2 download prometheus && dpkg --extract prometheus_*.deb .) >&2 ||
        stop "could not fetch promtool; try: sudo apt-get update, or sudo apt-get install prometheus"
    mkdir -p .cache/bin
    install -m 755 "$scratch/usr/bin/promtool" .cache/bin/promtool
}

need_environment
need_promtool
