#!/usr/bin/env bash
# Runs Forebay in the foreground until Ctrl-C, and ends with Forebay's own exit code: `serve.sh BINARY CONFIG`.
set -euo pipefail
cd "$(dirname "$0")/.."

ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(inference-runtime/setup/onnxruntime.sh | tail -n 1)}
export ORT_DYLIB_PATH

# On a terminal Ctrl-C goes to the whole process group, and make would report an error while Forebay still drains. So Forebay
# gets a group of its own; it still ends with this shell, should the terminal be closed.
if [ -t 0 ]; then
    set -m
    setpriv --pdeathsig TERM -- "$1" run --config "$2"
else
    exec "$1" run --config "$2"
fi
