#!/usr/bin/env bash
# Checks the workspace for Apple's systems from any machine: clippies and links its libraries, binary and tests for
# aarch64-apple-darwin, and type-checks for x86_64-apple-darwin the crate that knows of Intel Macs. Nothing runs: that takes a Mac.
#
# Needed: the targets' standard libraries (taken through rustup where they are missing), clang, and, to link off a Mac, ld64.lld (Debian: lld-19)
# and the names that Apple's libraries export, which tools/apple-sdk.sh collects.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(aarch64-apple-darwin x86_64-apple-darwin)

say() { echo "apple-check: $*" >&2; }

first_of() {
  for name in "$@"; do
    [ -n "$name" ] && command -v "$name" && return
  done
  return 1
}

# The standard library of a target, as the compiler that cargo uses would find it.
present() { [ -n "$(find "$(rustc --print sysroot)/lib/rustlib/$1/lib" -name 'libstd-*.rlib' 2>/dev/null)" ]; }

for target in "${targets[@]}"; do
  present "$target" && continue
  if command -v rustup >/dev/null 2>&1 && rustup target add "$target" && present "$target"; then
    continue
  fi
  say "there is no standard library for $target. Install it with"
  say "  rustup target add $target"
  say "or, where rustup cannot: build it from the sources of this compiler (Debian: apt-get install rust-web-src), from an empty package, with"
  say "  RUSTC_BOOTSTRAP=1 cargo build --release -Zbuild-std=std,panic_abort,proc_macro,test --target $target"
  say "and copy target/$target/release/deps/*.rlib to $(rustc --print sysroot)/lib/rustlib/$target/lib/"
  exit 1
done

# No optimisation, no debugging information and nothing kept for the next build: what is built here is thrown away. Warnings of
# dependencies stay hidden.
export CARGO_INCREMENTAL=0
flags="-Dwarnings -Copt-level=0 -Cdebuginfo=0"
if [ "$(uname -s)" != Darwin ]; then
  if ! linker=$(first_of ld64.lld-{21,20,19,18,17,16} ld64.lld); then
    say "there is no ld64.lld to link with (Debian, Ubuntu: apt-get install lld-19)"
    exit 1
  fi
  if ! clang=$(first_of "${METTLE_CLANG:-}" clang-{21,20,19,18,17,16} clang); then
    say "there is no clang to assemble with (Debian, Ubuntu: apt-get install clang-19)"
    exit 1
  fi
  SDKROOT=$(tools/apple-sdk.sh)
  export SDKROOT
  flags+=" -Clinker=$linker -Clinker-flavor=ld64.lld"
  # For dependencies with assembly.
  export CC_aarch64_apple_darwin=$clang CC_x86_64_apple_darwin=$clang
  export AR_aarch64_apple_darwin=ar AR_x86_64_apple_darwin=ar
fi

say "lints and links for aarch64-apple-darwin"
# clippy compiles, too, so one build does both: it costs half of what two do.
RUSTC_WORKSPACE_WRAPPER=$(command -v clippy-driver) \
  CARGO_TARGET_AARCH64_APPLE_DARWIN_RUSTFLAGS=$flags \
  cargo build --workspace --all-targets --locked --target aarch64-apple-darwin
say "types for x86_64-apple-darwin"
CARGO_TARGET_X86_64_APPLE_DARWIN_RUSTFLAGS=-Dwarnings cargo check -p mettle-gpu --locked --target x86_64-apple-darwin
