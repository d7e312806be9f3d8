#!/usr/bin/env bash
# Runs every test, those of a failed step's successors too, and fails if any failed. `make test` prepares what it needs.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(inference-runtime/setup/onnxruntime.sh | tail -n 1)}
export ORT_DYLIB_PATH
failed=0

echo '==> Building and testing the workspace (some minutes the first time)'
cargo test --workspace --locked --no-fail-fast || failed=1

echo '==> Testing with clients and servers that others wrote'
.cache/venv/bin/python -m pytest proxy/tests/clients || failed=1

exit $failed
