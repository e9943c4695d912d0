#!/usr/bin/env bash
# Checks the workspace for Apple's systems from any machine: type-checks, clippies and links its libraries, binary and tests for
# aarch64-apple-darwin, and type-checks them for x86_64-apple-darwin. Nothing runs: that takes a Mac.
#
# Needed: the targets' standard libraries (taken through rustup where they are missing) and, to link, ld64.lld (Debian: lld-19; with the
# compiler's own tools on a Mac) and the names that Apple's libraries export, which tools/apple-sdk.sh collects.
set -euo pipefail
cd "$(dirname "$0")/.."
targets=(aarch64-apple-darwin x86_64-apple-darwin)

say() { echo "apple-check: $*" >&2; }

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

say "clippy for aarch64-apple-darwin"
cargo clippy --workspace --all-targets --locked --target aarch64-apple-darwin -- -D warnings
say "types for x86_64-apple-darwin"
cargo check --workspace --all-targets --locked --target x86_64-apple-darwin
