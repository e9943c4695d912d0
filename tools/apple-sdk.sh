#!/usr/bin/env bash
# Collects what linking for Apple's systems needs from an SDK, on any machine, into target/apple-sdk: see apple_sdk.py. Prints where it is.
# On a Mac that has an SDK, prints where that is.
set -euo pipefail
cd "$(dirname "$0")/.."

PACKAGE=ziglang==0.15.2
place=$PWD/target/apple-sdk

if command -v xcrun >/dev/null 2>&1; then
  xcrun -sdk macosx --show-sdk-path
  exit
fi
# What the stubs are made of: the locked crates, this script and the other.
made_of=$(cat Cargo.lock tools/apple-sdk.sh tools/apple_sdk.py | cksum)
if [ "$(cat "$place/made-of" 2>/dev/null)" != "$made_of" ]; then
  if ! python3 -m venv "$place/python" >/dev/null; then
    echo "mettle: python3 with venv is needed to collect names for the linker (Debian, Ubuntu: apt-get install python3-venv)." >&2
    exit 1
  fi
  if ! ls "$place/${PACKAGE/==/-}"-*.whl >/dev/null 2>&1; then
    # The file that is taken from it is the same in the wheels of all platforms.
    "$place/python/bin/pip" download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
      --platform manylinux_2_12_x86_64 --dest "$place" "$PACKAGE"
  fi
  rm -rf "$place/sdk"
  cargo metadata --format-version 1 --locked --filter-platform aarch64-apple-darwin |
    "$place/python/bin/python" tools/apple_sdk.py "$place/${PACKAGE/==/-}"-*.whl "$place/sdk"
  echo "$made_of" >"$place/made-of"
fi
echo "$place/sdk"
