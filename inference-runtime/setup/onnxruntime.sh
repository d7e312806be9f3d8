#!/bin/sh
# Puts ONNX Runtime's shared library where Forebay looks for it: .cache/onnxruntime/VERSION/libonnxruntime.so.
#
# The library is taken out of the Python wheel `onnxruntime`, whose SHA-256 onnxruntime.txt pins; nothing is installed into any Python.
# The last line of stdout is the library's path; everything else goes to stderr. A second run finds the library and downloads nothing.
# Needs Python 3 with pip; on Debian as root a missing pip is installed.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
pins=$here/onnxruntime.txt
version=$(sed -n 's/^onnxruntime==\([0-9.]*\).*/\1/p' "$pins")
target=$root/.cache/onnxruntime/$version
library=$target/libonnxruntime.so

say() { printf '%s\n' "onnxruntime.sh: $*" >&2; }
stop() { say "$@"; exit 1; }

if [ -f "$library" ]; then
    printf '%s\n' "$library"
    exit 0
fi

[ "$(uname -s)" = Linux ] || stop "no pinned library for $(uname -s); install ONNX Runtime $version yourself and set ORT_DYLIB_PATH to its library"
case $(uname -m) in
    x86_64 | aarch64) platform=manylinux_2_28_$(uname -m) ;;
    *) stop "no pinned library for $(uname -m); install ONNX Runtime $version yourself and set ORT_DYLIB_PATH to its library" ;;
esac

command -v python3 >/dev/null || stop "python3 is missing; on Debian: sudo apt-get install python3 python3-pip"
if ! python3 -m pip --version >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing python3-pip"
        { apt-get update && apt-get install --yes --no-install-recommends python3-pip; } >&2 ||
            stop "could not install pip; try: apt-get update && apt-get install python3-pip"
    else
        stop "python3 has no pip; on Debian: sudo apt-get install python3-pip"
    fi
fi

mkdir -p "$target"
scratch=$(mktemp -d "$target/download.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

say "downloading ONNX Runtime $version for $platform (24 MB, once)"
python3 -m pip --disable-pip-version-check --quiet download --no-deps --only-binary=:all: --require-hashes \
    --implementation cp --python-version 3.11 --abi cp311 --platform "$platform" \
    --dest "$scratch" --requirement "$pins" >&2 ||
    stop "pip could not download it (its message is above); when a package registry can be reached, run this again"

# Renamed only when whole: an interrupted run must not leave half a library that a second run would take.
python3 - "$scratch" "$version" <<'PYTHON' || stop "the wheel does not hold the library that was expected"
import pathlib, shutil, sys, zipfile

scratch, version = pathlib.Path(sys.argv[1]), sys.argv[2]
(wheel,) = scratch.glob("*.whl")
with zipfile.ZipFile(wheel) as archive:
    with archive.open(f"onnxruntime/capi/libonnxruntime.so.{version}") as source:
        with open(scratch / "library", "wb") as target:
            shutil.copyfileobj(source, target)
PYTHON
chmod 755 "$scratch/library"
mv "$scratch/library" "$library"
printf '%s\n' "$library"
