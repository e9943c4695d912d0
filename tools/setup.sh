#!/usr/bin/env bash
# Installs what building the kernels needs: clang >= 16 and an ELF linker; `setup.sh test` also what the checks need: a linker for
# Apple's systems, and Python with venv. On Debian and Ubuntu through apt; elsewhere says exactly what to install and stops.
set -euo pipefail

find_clang() {
  for name in "${METTLE_CLANG:-}" clang-21 clang-20 clang-19 clang-18 clang-17 clang-16 clang; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
    version=$("$name" -dumpversion | cut -d. -f1)
    [ "$version" -ge 16 ] && { echo "$name"; return 0; }
  done
  return 1
}

find_mach_linker() {
  [ "$(uname -s)" = Darwin ] && return
  for name in ld64.lld-{21,20,19,18,17,16} ld64.lld; do
    command -v "$name" >/dev/null 2>&1 && return
  done
  return 1
}

# Whether everything is there.
complete() {
  find_clang >/dev/null && command -v cc >/dev/null 2>&1 || return 1
  [ "$what" != test ] || { find_mach_linker && python3 -c 'import ensurepip, venv' 2>/dev/null; }
}

what=${1:-build}
complete && command -v cargo >/dev/null 2>&1 && exit 0

if ! command -v cargo >/dev/null 2>&1; then
  echo "mettle: no cargo found. Install Rust 1.95 or newer (https://rustup.rs), then run this again." >&2
  exit 1
fi

if command -v apt-get >/dev/null 2>&1; then
  sudo=""
  [ "$(id -u)" -eq 0 ] || sudo=sudo
  $sudo apt-get update -qq
  extra=()
  [ "$what" != test ] || extra=(python3-venv)
  for suffix in -19 ""; do
    apt-cache show "clang$suffix" >/dev/null 2>&1 || continue
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends \
      "clang$suffix" "lld$suffix" gcc libc6-dev "${extra[@]}" >/dev/null
    complete && exit 0
  done
fi

cat >&2 <<'HELP'
mettle: building the kernels needs clang 16 or newer and a C toolchain (cc). Install them with one of:
  Debian, Ubuntu   apt-get install clang-19 lld-19 gcc
  Fedora           dnf install clang lld gcc
  Arch             pacman -S clang lld gcc
  Alpine           apk add clang lld gcc musl-dev
  macOS            xcode-select --install   (or: brew install llvm)
or point METTLE_CLANG at a clang binary. The checks of 'make test' also need ld64.lld (in the packages of lld) and Python 3 with venv
(Debian, Ubuntu: apt-get install python3-venv).
HELP
exit 1
