#!/usr/bin/env bash
# A bare folder becomes a voice agent that listens, thinks and speaks.
# The models are kept in `.demo/`, so a second run downloads nothing.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
keep=$checkout/.demo
mkdir -p "$keep"
project=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AAVA_PROJECT=$project AAVA_MODELS=$keep/models
daemon=

clean_up() {
  if [ -n "$daemon" ]; then
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" 2>/dev/null || true
  fi
  rm -rf "$project"
}
trap clean_up EXIT

say() {
  printf '\n$ %s\n' "$*"
  "$@"
}

say aava init "$project" --port "$port"
say aava preflight
say aava models pull starter

printf '\n$ aava serve &\n'
aava serve >"$keep/serve.log" 2>&1 &
daemon=$!
for _ in $(seq 100); do
  aava --quiet status >/dev/null 2>&1 && break
  kill -0 "$daemon" || { cat "$keep/serve.log"; exit 1; }
  sleep 0.2
done

say aava switch --stt whisper_cpp:ggml-base.en --tts piper:en_US-joe-medium --llm smollm2-135m
say aava smoke --save "$keep/smoke.wav"
say aava status

printf '\n$ kill %%1\n'
kill "$daemon"
wait "$daemon" || true
daemon=
printf '\nthe spoken sentence is in %s\n' "$keep/smoke.wav"
