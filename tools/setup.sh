#!/usr/bin/env bash
# Installs what building the kernels needs: clang >= 16 and an ELF linker. On Debian and Ubuntu through apt;
# elsewhere says exactly what to install and stops.
set -euo pipefail

find_clang() {
  for name in "${METTLE_CLANG:-}" clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
    version=$("$name" -dumpversion | cut -d. -f1)
    [ "$version" -ge 16 ] && { echo "$name"; return 0; }
  done
  return 1
}

find_clang >/dev/null && command -v cargo >/dev/null 2>&1 && command -v cc >/dev/null 2>&1 && exit 0

if ! command -v cargo >/dev/null 2>&1; then
  echo "mettle: no cargo found. Install Rust 1.95 or newer (https://rustup.rs), then run this again." >&2
  exit 1
fi

if command -v apt-get >/dev/null 2>&1; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  $sudo apt-get update -qq
  for suffix in -19 ""; do
    apt-cache show "clang$suffix" >/dev/null 2>&1 || continue
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
      "clang$suffix" "lld$suffix" gcc libc6-dev >/dev/null
    find_clang >/dev/null && exit 0
  done
fi

cat >&2 <<'HELP'
mettle: building the kernels needs clang 16 or newer and a C toolchain (cc). Install them with one of:
  Debian, Ubuntu   apt-get install clang-19 lld-19 gcc
  Fedora           dnf install clang lld gcc
  Arch             pacman -S clang lld gcc
  Alpine           apk add clang lld gcc musl-dev
  macOS            xcode-select --install   (or: brew install llvm)
or point METTLE_CLANG at a clang binary.
HELP
exit 1
