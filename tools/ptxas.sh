#!/usr/bin/env bash
# Installs ptxas, NVIDIA's assembler for PTX, from PyPI into target/ptxas. No GPU and no CUDA toolkit are needed: with it
# the tests assemble the kernels' PTX for real GPUs. Prints where it is.
set -euo pipefail

PACKAGE=nvidia-cuda-nvcc-cu12==12.9.86
root=$(cd "$(dirname "$0")/.." && pwd)
place=$root/target/ptxas
link=$place/bin/ptxas

if [ -n "${METTLE_PTXAS:-}" ]; then
  "$METTLE_PTXAS" --version >/dev/null
  echo "$METTLE_PTXAS"
  exit 0
fi
if [ ! -x "$link" ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64 | Linux-aarch64) ;;
    *)
      echo "mettle: NVIDIA has no ptxas for $(uname -s) on $(uname -m); the test that assembles PTX is skipped there." >&2
      exit 0
      ;;
  esac
  if ! python3 -m venv "$place" >/dev/null; then
    echo "mettle: python3 with venv is needed to install ptxas (Debian, Ubuntu: apt-get install python3-venv)," >&2
    echo "        or a CUDA toolkit: point METTLE_PTXAS at its ptxas." >&2
    exit 1
  fi
  "$place/bin/pip" install --quiet --disable-pip-version-check "$PACKAGE"
  found=$(find "$place" -path '*/cuda_nvcc/bin/ptxas' | head -n 1)
  chmod +x "$found"
  ln -sf "$found" "$link"
fi
"$link" --version >/dev/null
echo "$link"
