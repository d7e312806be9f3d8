#!/usr/bin/env bash
# Builds Forebay guided by a profile of itself at work: `optimise.sh OUTPUT`. The compiler then knows what runs and what does not, which
# takes a fifth off a request's processor time. It builds twice and works for a minute in between; a second call with nothing changed is
# make's to avoid.
set -euo pipefail
cd "$(dirname "$0")/.."

output=$1
host=$(rustc -vV | sed -n 's/^host: //p')
profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null; rm -rf "$scratch"' EXIT

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

# Starts a program in the background and waits for the address that it prints behind a word: `serve NAME WORD COMMAND…`.
serve() {
    local name=$1 word=$2
    shift 2
    "$@" >"$scratch/$name.log" 2>&1 &
    for _ in $(seq 100); do
        address=$(sed -n "s#^ *$word *\(http://\)\?\([^ ]*\).*#\2#p" "$scratch/$name.log" | head -n 1)
        [ -n "$address" ] && return
        sleep 0.1
    done
    cat "$scratch/$name.log" >&2
    stop "$name does not start (its output is above)"
}

# The work that the profile is of. What a deployment does not do is optimised for size.
work() {
    local load=${CARGO_TARGET_DIR:-target}/release/forebay-load key='x-api-key: fb_benchmarks-only-0000000000000000' accelerator upstream api
    serve accelerator 'listening on' $load accelerator --listen 127.0.0.1:0 --tell 0s
    accelerator=$address
    serve static 'listening on' $load static --listen 127.0.0.1:0
    upstream=$address
    sed -e "s#BACKEND#$accelerator#; s#UPSTREAM#$upstream#; s#THREADS#1#; s#READY_FALSE_FOR#0s#" \
        -e "s#^models:#default_model: digits\n&\n  digits: { repository: $PWD/inference-runtime/models }#" benches/peers/forebay.yaml >"$scratch/forebay.yaml"
    LLVM_PROFILE_FILE=$scratch/%p.profraw ORT_DYLIB_PATH=$(inference-runtime/setup/onnxruntime.sh | tail -n 1) \
        serve forebay API "$1" run --config "$scratch/forebay.yaml"
    api=http://$address
    local forebay=$!

    run() { $load run "$@" --header "$key" >/dev/null || stop "the work failed: forebay-load run $*"; }
    # What is done most is taken to matter most, so there are few pictures: unpacking one counts as much as a hundred requests.
    run "$api" --rate 1200 --duration 15s
    run "$api" --rate 500 --duration 5s --body binary
    run "$api/elsewhere" --rate 1000 --duration 5s --body get
    for body in raw base64 tensors; do
        run "$api" --rate 20 --duration 2s --model digits --body $body --images inference-runtime/models/digits/holdout
    done
    # A connection for each: Debian 12's curl cannot send a second request on one without TLS.
    local http2=(curl --silent --fail --output /dev/null --http2-prior-knowledge --header "$key")
    seq 400 | xargs -P 4 -I '{}' "${http2[@]}" "$api/elsewhere?{}" || stop 'the work failed: HTTP/2'
    seq 20 | xargs -P 4 -I '{}' "${http2[@]}" --header content-type: --data-binary @inference-runtime/models/digits/holdout/0009.png \
        "$api/v1/predict?{}" || stop 'the work failed: pictures over HTTP/2'
    kill -TERM $forebay
    wait $forebay
}

say 'Building Forebay with counters (some minutes)'
build target/instrumented -Cprofile-generate
cargo build --release --locked --package forebay-load >&2
say 'Letting it work (a minute)'
work "target/instrumented/$host/release/forebay"
mkdir -p "$(dirname "$output")"
"$profdata" merge --output "$scratch/merged" "$scratch"/*.profraw
# Named by its content: cargo looks at the flags alone to tell whether anything is new.
profile=target/instrumented/$(sha256sum "$scratch/merged" | cut -c1-16).profdata
mv "$scratch/merged" "$profile"
say 'Building Forebay for what it did (some minutes)'
build target/optimised "-Cprofile-use=$PWD/$profile"
cp "target/optimised/$host/release/forebay" "$output"
