#!/usr/bin/env bash
# Lets a Forebay do what deployments do most: `work.sh FOREBAY FOREBAY_LOAD [--smoke]`. tools/optimise.sh builds for a profile of it; with
# --smoke it only shows that everything works.
set -euo pipefail
cd "$(dirname "$0")/.."

program=$1 load=$2
case ${3:-} in
    --smoke) many=50 some=20 long=1s short=1s streams=20 ;;
    *) many=1200 some=500 long=15s short=5s streams=400 ;;
esac
key='x-api-key: fb_benchmarks-only-0000000000000000'
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT

stop() { printf 'work: %s\n' "$*" >&2; exit 1; }

command -v curl >/dev/null || stop 'curl is missing; on Debian: sudo apt-get install curl'

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

serve accelerator 'listening on' "$load" accelerator --listen 127.0.0.1:0 --tell 0s
accelerator=$address
serve static 'listening on' "$load" static --listen 127.0.0.1:0
upstream=$address
sed -e "s#BACKEND#$accelerator#; s#UPSTREAM#$upstream#; s#THREADS#1#; s#READY_FALSE_FOR#0s#" \
    -e "s#^models:#default_model: digits\n&\n  digits: { repository: $PWD/inference-runtime/models }#" benches/peers/forebay.yaml >"$scratch/forebay.yaml"
ORT_DYLIB_PATH=${ORT_DYLIB_PATH:-$(inference-runtime/setup/onnxruntime.sh | tail -n 1)}
export ORT_DYLIB_PATH
serve forebay API "$program" run --config "$scratch/forebay.yaml"
api=http://$address
forebay=$!

run() { "$load" run "$@" --header "$key" >/dev/null || stop "failed: forebay-load run $*"; }
# What is done most is taken to matter most, so there are few pictures: unpacking one counts as much as a hundred requests.
run "$api" --rate $many --duration $long
run "$api" --rate $some --duration $short --body binary
run "$api/elsewhere" --rate $many --duration $short --body get
for body in raw base64 tensors; do
    run "$api" --rate 20 --duration 1s --model digits --body $body --images inference-runtime/models/digits/holdout
done
# A connection for each: Debian 12's curl cannot send a second request on one without TLS.
http2=(curl --silent --fail --output /dev/null --http2-prior-knowledge --header "$key")
seq $streams | xargs -P 4 -I '{}' "${http2[@]}" "$api/elsewhere?{}" || stop 'failed: HTTP/2'
seq 20 | xargs -P 4 -I '{}' "${http2[@]}" --header content-type: --data-binary @inference-runtime/models/digits/holdout/0009.png \
    "$api/v1/predict?{}" || stop 'failed: pictures over HTTP/2'
kill -TERM $forebay
wait $forebay || stop 'Forebay did not drain and end with 0'
