#!/usr/bin/env bash
# Makes this machine able to build and run Forebay. Whatever it cannot install itself it names, with the command that does.
#
# What it fetches goes into .cache/ (and cmake, as root on Debian, into the system). A second run downloads nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# A newer cmake refuses old projects; this is the last that takes what the crates bring.
cmake_wheel=cmake==3.31.6

need_compilers() {
    command -v cargo >/dev/null || stop "cargo is missing; install rustup (its own page has the one command for every system), then: rustup toolchain install stable"
    local have want
    have=$(rustc --version | sed 's/^rustc \([0-9]*\.[0-9]*\).*/\1/')
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    [ "$(printf '%s\n' "$want" "$have" | sort --version-sort | head -n 1)" = "$want" ] ||
        stop "rustc $have is too old, $want is needed: rustup update stable"
    command -v cc >/dev/null || stop "a C compiler is missing; on Debian: sudo apt-get install gcc libc6-dev"
    command -v python3 >/dev/null || stop "python3 is missing; on Debian: sudo apt-get install python3 python3-pip"
}

# zlib-ng, which pingora compresses with, is built by cmake.
need_cmake() {
    command -v cmake >/dev/null && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "Installing cmake from Debian"
        { apt-get update && apt-get install --yes --no-install-recommends cmake; } >&2 && return
    fi
    say "Installing cmake from PyPI into .cache (30 MB, once)"
    python3 -m pip --version >/dev/null 2>&1 || stop "cmake is missing and python3 has no pip to fetch it; on Debian: sudo apt-get install cmake"
    python3 -m pip --disable-pip-version-check --quiet install --no-deps --only-binary=:all: --upgrade --target .cache/cmake "$cmake_wheel" >&2 ||
        stop "pip could not fetch cmake; on Debian: sudo apt-get install cmake"
    mkdir -p .cache/bin
    ln -sf ../cmake/cmake/data/bin/cmake .cache/bin/cmake
}

need_compilers
need_cmake
inference-runtime/setup/onnxruntime.sh >/dev/null
