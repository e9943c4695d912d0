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
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLAMA = ROOT / "target/corpora/llama-cpp-sys-2-0.1.161/llama.cpp/ggml/src"


@dataclass(frozen=True)
class Format:
    """How llama.cpp launches its kernel of a format: N_R0_* and N_SG_* of ggml-metal-impl.h, and what ggml-metal-device.cpp makes of them."""

    values: int
    bytes: int
    rows: int
    simd_groups: int
    # Whether the SIMD groups of a threadgroup share its rows.
    shared: bool = False
    # Some take the argument and use nothing of it.
    threadgroup_memory: int = 0
    suffix: str = ""


UNUSED = 16
DENSE = {"rows": 2, "simd_groups": 4, "shared": True, "threadgroup_memory": 256, "suffix": "_4"}
FORMATS = {
    "f32": Format(1, 4, **DENSE),
    "f16": Format(1, 2, **DENSE),
    "bf16": Format(1, 2, **DENSE),
    "q4_0": Format(32, 18, 4, 2, threadgroup_memory=UNUSED),
    "q4_1": Format(32, 20, 4, 2, threadgroup_memory=UNUSED),
    "q5_0": Format(32, 22, 4, 2, threadgroup_memory=UNUSED),
    "q5_1": Format(32, 24, 4, 2, threadgroup_memory=UNUSED),
    "q8_0": Format(32, 34, 2, 4, shared=True, threadgroup_memory=256),
    "q2_K": Format(256, 84, 4, 2),
    "q3_K": Format(256, 110, 2, 2),
    "q4_K": Format(256, 144, 2, 2),
    "q5_K": Format(256, 176, 1, 2),
    "q6_K": Format(256, 210, 2, 2),
    "iq4_nl": Format(32, 18, 2, 2, threadgroup_memory=128),
    "iq4_xs": Format(256, 136, 2, 2, threadgroup_memory=128),
    "tq2_0": Format(256, 66, 4, 2),
    "q1_0": Format(128, 18, 8, 2),
}


def bench(args: argparse.Namespace, *options: str) -> dict[str, float]:
    """Microseconds of each entry with cold caches, by shape."""
    command = [str(args.mettle.resolve()), "bench", "--device", args.device, "--time", str(args.time), "--json", *options]
    report = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return {row["shape"]: row["cold"]["microseconds"] for row in report["entries"]}


def theirs(args: argparse.Namespace, name: str, n: int, k: int) -> float:
    """Microseconds of llama.cpp's kernel."""
    format = FORMATS[name]
    stride = k // format.values * format.bytes
    groups = -(-n // (format.rows if format.shared else format.rows * format.simd_groups))
    # ggml_metal_kargs_mul_mv
    fields = {
        "ne00": k, "ne01": n, "ne02": 1, "nb00": format.bytes, "nb01": stride, "nb02": stride * n, "nb03": stride * n,
        "ne10": k, "ne11": 1, "ne12": 1, "nb10": 4, "nb11": 4 * k, "nb12": 4 * k, "nb13": 4 * k,
        "ne0": n, "ne1": 1, "nr0": format.rows, "r2": 1, "r3": 1,
    }  # fmt: skip
    options = [
        "--source", str(args.llama / "ggml-metal/kernels/mul_mv.metal"),
        "--kernel", f"kernel_mul_mv_{name}_f32{format.suffix}",
        "-I", str(args.llama), "-I", str(args.llama / "ggml-metal"), "-D", "GGML_METAL_HAS_BF16",
        "--grid", f"{32 * groups},{format.simd_groups}", "--threads", f"32,{format.simd_groups}",
        "--bytes", "0=" + ",".join(f"{field}:{value}" for field, value in fields.items()),
        "--buffer", f"1=u8:{stride * n}:uniform", "--buffer", f"2=f32:{k}:uniform", "--buffer", f"3=f32:{n}:zeros",
        "--moved", str(stride * n + 4 * (n + k)),
        "--constant", f"600=i16:{format.simd_groups}", "--constant", "602=i16:1", "--constant", "603=i16:1",
        "--constant", "604=i16:1", "--constant", "605=bool:false", "--constant", "601=i16:0",
    ]  # fmt: skip
    if format.threadgroup_memory:
        options += ["--threadgroup", f"0={format.threadgroup_memory}"]
    (time,) = bench(args, *options).values()
    return time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mettle", type=Path, default=ROOT / "target" / "release" / "mettle")
    parser.add_argument("--llama", type=Path, default=LLAMA, help="the folder that holds ggml-metal")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--time", type=float, default=0.05)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), metavar="FORMAT")
    parser.add_argument("--shapes", nargs="+", default=["4096x4096", "14336x4096", "4096x14336"], metavar="NxK")
    args = parser.parse_args()
    print("| weights | n x k | llama.cpp us | Mettle us | times as fast |")
    print("|---|---|---:|---:|---:|")
    for name in args.formats:
        ours = bench(args, "--kernel", f"mul_mv_{name}_f32", "--shape", "*m1")
        for shape in args.shapes:
            n, k = map(int, shape.split("x"))
            time = theirs(args, name, n, k)
            own = ours[f"n{n}_k{k}_m1"]
            print(f"| {name} | {n} x {k} | {time:.1f} | {own:.1f} | {time / own:.1f} |", flush=True)


if __name__ == "__main__":
    main()
