#!/usr/bin/env bash
# Fetches the Metal sources that other people published and that our tests read: two crates from crates.io, checked against
# the digests below and unpacked into target/corpora/. They are never committed. Does nothing when they are there.
#
#   tools/corpora.sh          fetch what is missing
#   tools/corpora.sh FOLDER   take the .crate files from a folder instead of the network
set -euo pipefail
cd "$(dirname "$0")/.."
corpora=target/corpora

fetch() { # name, version, sha256 of the .crate file, paths to unpack
  local name=$1 version=$2 digest=$3
  local full="$name-$version"
  shift 3
  # The mark is written last, so that an interrupted run starts again.
  [ "$(cat "$corpora/$full/.digest" 2>/dev/null || true)" = "$digest" ] && return 0
  mkdir -p "$corpora"
  local archive="$scratch/$full.crate"
  if [ -n "$source" ]; then
    cp "$source/$full.crate" "$archive"
  elif ! curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --max-time 300 \
    --output "$archive" "https://static.crates.io/crates/$name/$full.crate"; then
    echo "corpora: $full cannot be downloaded from static.crates.io. Without a network: put $full.crate into a folder" >&2
    echo "corpora: and run tools/corpora.sh FOLDER." >&2
    exit 1
  fi
  local found
  found=$( (sha256sum "$archive" 2>/dev/null || shasum -a 256 "$archive") | cut -d ' ' -f 1)
  if [ "$found" != "$digest" ]; then
    echo "corpora: $full.crate has the SHA-256 digest $found, expected $digest; nothing was unpacked" >&2
    exit 1
  fi
  rm -rf "${corpora:?}/$full"
  tar -xzf "$archive" -C "$corpora" "${@/#/$full/}"
  echo "$digest" >"$corpora/$full/.digest"
  echo "corpora: $corpora/$full"
}

source=${1:-}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
fetch candle-metal-kernels 0.11.1 6e9fdf9f3fb13fb677fec22802f85515e4bdf9a2b8fa153efb5454eced755932 \
  src/metal_src
fetch llama-cpp-sys-2 0.1.161 e9bea77fde41bbc15a278891cd5edd2ba07c5260d162614b41080ba1f100b39b \
  llama.cpp/ggml/src/ggml-metal llama.cpp/ggml/src/ggml-common.h
