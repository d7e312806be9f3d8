#!/usr/bin/env bash
# Builds Forebay guided by a profile of itself at work: `optimise.sh OUTPUT`. The compiler then knows what runs and what does not, which
# takes a fifth off a request's processor time. It builds twice and works for a minute in between; `make optimised` does so only
# when something has changed.
set -euo pipefail
cd "$(dirname "$0")/.."

output=$1
host=$(rustc -vV | sed -n 's/^host: //p')
profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

say() { printf '==> %s\n' "$*" >&2; }
stop() { printf 'optimise: %s\n' "$*" >&2; exit 1; }

# The profile's format is the compiler's own, so its own tool has to read it.
if [ ! -x "$profdata" ]; then
    say "Adding llvm-tools to the Rust toolchain (50 MB, once)"
    rustup component add llvm-tools >&2 || stop "llvm-profdata is missing and rustup could not add it: rustup component add llvm-tools"
fi

# `build FOLDER FLAGS`. With a target named, the flags do not reach build scripts, which would write profiles of their own.
build() {
    RUSTFLAGS="${RUSTFLAGS:-} $2" cargo build --release --locked --package forebay --target "$host" --target-dir "$1" >&2
}

say 'Building Forebay with counters (some minutes)'
build target/instrumented -Cprofile-generate
cargo build --release --locked --package forebay-load >&2
say 'Letting it work (a minute)'
LLVM_PROFILE_FILE=$scratch/%p.profraw tools/work.sh "target/instrumented/$host/release/forebay" "${CARGO_TARGET_DIR:-target}/release/forebay-load"
mkdir -p "$(dirname "$output")"
"$profdata" merge --output "$scratch/merged" "$scratch"/*.profraw
# Named by its content: cargo looks at the flags alone to tell whether anything is new.
profile=target/instrumented/$(sha256sum "$scratch/merged" | cut -c1-16).profdata
rm -f target/instrumented/*.profdata
mv "$scratch/merged" "$profile"
say 'Building Forebay for what it did (some minutes)'
build target/optimised "-Cprofile-use=$PWD/$profile"
cp "target/optimised/$host/release/forebay" "$output"
