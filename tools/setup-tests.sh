#!/usr/bin/env bash
# Fetches the test tools into .cache/: a Python environment (requirements.txt), Prometheus' promtool, HAProxy, nginx and h2spec.
#
# Each is fetched once, and again when its list changes; a second run downloads nothing. No service is started.
set -euo pipefail
cd "$(dirname "$0")/.."

h2spec=github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible

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

# Unpacks Debian packages below a folder. They are not installed: that would start servers. `unpack FOLDER WHAT PACKAGE…`
unpack() {
    local into=$1 what=$2 scratch
    shift 2
    command -v apt-get >/dev/null || stop "$what is missing, and this is not Debian: put it where the tests look for it, $into"
    say "Unpacking $what from Debian into .cache (once)"
    if [ -z "$(apt-cache search --names-only "^$1\$")" ]; then
        debian_root || stop "apt knows no packages yet: sudo apt-get update"
        apt-get update >&2
    fi
    scratch=$(mktemp -d)
    (cd "$scratch" && apt-get -o APT::Sandbox::User= --quiet=2 download "$@" && for package in *.deb; do dpkg --extract "$package" files; done) >&2 ||
        stop "could not fetch $what; try: sudo apt-get update"
    rm -rf "$into"
    mv "$scratch/files" "$into"
    rm -rf "$scratch"
}

need_promtool() {
    command -v promtool >/dev/null && return
    unpack .cache/prometheus "promtool" prometheus
    mkdir -p .cache/bin
    install -m 755 .cache/prometheus/usr/bin/promtool .cache/bin/promtool
    rm -rf .cache/prometheus
}

# The proxies that the framing judge compares with.
need_peers() {
    [ -x .cache/haproxy/usr/sbin/haproxy ] || unpack .cache/haproxy HAProxy haproxy liblua5.3-0 libopentracing-c-wrapper0 libopentracing1
    [ -x .cache/nginx/usr/sbin/nginx ] || unpack .cache/nginx nginx nginx
}

# The conformance suite for HTTP/2. Only its source is published, in Go.
need_h2spec() {
    [ -x .cache/bin/h2spec ] && return
    command -v go >/dev/null || stop "h2spec is built with Go, which is missing; on Debian: sudo apt-get install golang-go"
    say "Building h2spec into .cache (a minute, once)"
    GOBIN=$PWD/.cache/bin go install "$h2spec" >&2 || stop "go could not build $h2spec (its message is above)"
}

need_environment
need_promtool
need_peers
need_h2spec
