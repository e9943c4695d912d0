"""Mettle's products of a matrix and a vector and llama.cpp's own Metal kernels, compiled and timed by the same program.

    python tools/bench/llama_metal.py [--mettle target/release/mettle] [--device cuda] [--time 0.05]

Runs `mettle bench` on the kernels of this repository and on the unmodified `kernel_mul_mv_*_f32` of llama.cpp, which
`tools/corpora.sh` fetches, at the same shapes, and prints a Markdown table: microseconds of both with cold caches, and how many
times faster ours are. Needs clang 16 or newer and `cargo build --release -p mettle`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLAMA = ROOT / "target/corpora/llama-cpp-sys-2-0.1.161/llama.cpp/ggml/src"
SHAPES = [(4096, 4096), (14336, 4096), (4096, 14336), (128256, 4096)]

# Values and bytes of a block, rows and SIMD groups of a threadgroup (N_R0_* and N_SG_* of ggml-metal-impl.h), and whether the SIMD
# groups share the rows.
FORMATS = {
    "q4_0": (32, 18, 4, 2, False),
    "q8_0": (32, 34, 2, 4, True),
    "q4_K": (256, 144, 2, 2, False),
    "q6_K": (256, 210, 2, 2, False),
}


def bench(args: argparse.Namespace, *options: str) -> dict[str, float]:
    """Microseconds of each entry with cold caches, by shape."""
    command = [str(args.mettle.resolve()), "bench", "--device", args.device, "--time", str(args.time), "--json", *options]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {row["shape"]: row["cold"]["microseconds"] for row in report["entries"]}


def theirs(args: argparse.Namespace, name: str, n: int, k: int) -> float:
    """Microseconds of llama.cpp's kernel."""
    values, block, rows, simd_groups, shared = FORMATS[name]
    stride = k // values * block
    groups = -(-n // (rows if shared else rows * simd_groups))
    # ggml_metal_kargs_mul_mv
    fields = {
        "ne00": k, "ne01": n, "ne02": 1, "nb00": block, "nb01": stride, "nb02": stride * n, "nb03": stride * n,
        "ne10": k, "ne11": 1, "ne12": 1, "nb10": 4, "nb11": 4 * k, "nb12": 4 * k, "nb13": 4 * k,
        "ne0": n, "ne1": 1, "nr0": rows, "r2": 1, "r3": 1,
    }  # fmt: skip
    options = [
        "--source", str(args.llama / "ggml-metal/kernels/mul_mv.metal"),
        "--kernel", f"kernel_mul_mv_{name}_f32",
        "-I", str(args.llama), "-I", str(args.llama / "ggml-metal"),
        "--grid", f"{32 * groups},{simd_groups}", "--threads", f"32,{simd_groups}",
        "--bytes", "0=" + ",".join(f"{field}:{value}" for field, value in fields.items()),
        "--buffer", f"1=u8:{stride * n}:uniform", "--buffer", f"2=f32:{k}:uniform", "--buffer", f"3=f32:{n}:zeros",
        "--moved", str(stride * n + 4 * (n + k)),
        "--constant", f"600=i16:{simd_groups}", "--constant", "602=i16:1", "--constant", "603=i16:1",
        "--constant", "604=i16:1", "--constant", "605=bool:false", "--constant", "601=i16:0",
    ]  # fmt: skip
    if shared or name == "q4_0":
        options += ["--threadgroup", f"0={32 * 4 * rows}"]
    (time,) = bench(args, *options).values()
    return time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mettle", type=Path, default=ROOT / "target" / "release" / "mettle")
    parser.add_argument("--llama", type=Path, default=LLAMA, help="the folder that holds ggml-metal")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--time", type=float, default=0.05)
    args = parser.parse_args()
    print("| weights | n x k | llama.cpp us | Mettle us | times as fast |")
    print("|---|---|---:|---:|---:|")
    for name in FORMATS:
        ours = bench(args, "--kernel", f"mul_mv_{name}_f32")
        for n, k in SHAPES:
            time = theirs(args, name, n, k)
            own = ours[f"n{n}_k{k}_m1"]
            print(f"| {name} | {n} x {k} | {time:.1f} | {own:.1f} | {time / own:.1f} |", flush=True)


if __name__ == "__main__":
    main()
