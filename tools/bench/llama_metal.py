"""Mettle's products of a matrix with a vector or with a matrix and llama.cpp's own Metal kernels, compiled and timed by the same program.

    python tools/bench/llama_metal.py [--mettle target/release/mettle] [--device cuda] [--time 0.05] [--columns 1]

Runs `mettle bench` on the kernels of this repository and on the unmodified `kernel_mul_mv_*_f32` (one column) and `kernel_mul_mm_*_f32` (more) of llama.cpp, which
`tools/corpora.sh` fetches, at the same shapes, and prints a Markdown table: microseconds of both with cold caches, and how many
times faster ours are. Ours, of many columns, include the rounding of x. Needs clang 16 or newer and `cargo build --release -p mettle`.
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


def matrix_vector(name: str, n: int, k: int) -> list[str]:
    """How llama.cpp launches its kernel of one column."""
    format = FORMATS[name]
    stride = k // format.values * format.bytes
    groups = -(-n // (format.rows if format.shared else format.rows * format.simd_groups))
    # ggml_metal_kargs_mul_mv
    fields = {
        "ne00": k, "ne01": n, "ne02": 1, "nb00": format.bytes, "nb01": stride, "nb02": stride * n, "nb03": stride * n,
        "ne10": k, "ne11": 1, "ne12": 1, "nb10": 4, "nb11": 4 * k, "nb12": 4 * k, "nb13": 4 * k,
        "ne0": n, "ne1": 1, "nr0": format.rows, "r2": 1, "r3": 1,
    }  # fmt: skip
    constants = {600: f"i16:{format.simd_groups}", 601: "i16:0", 602: "i16:1", 603: "i16:1", 604: "i16:1", 605: "bool:false"}
    grid = ["--grid", f"{32 * groups},{format.simd_groups}", "--threads", f"32,{format.simd_groups}"]
    options = ["mul_mv.metal", f"kernel_mul_mv_{name}_f32{format.suffix}", fields, constants, grid]
    return launch(*options, format.threadgroup_memory)


def matrix_matrix(name: str, n: int, k: int, m: int) -> list[str]:
    """How llama.cpp launches its kernel of `m` columns, where there are no units for tensors."""
    format = FORMATS[name]
    stride = k // format.values * format.bytes
    # ggml_metal_kargs_mul_mm
    fields = {
        "ne00": k, "ne02": 1, "nb01": stride, "nb02": stride * n, "nb03": stride * n,
        "ne12": 1, "nb10": 4, "nb11": 4 * k, "nb12": 4 * k * m, "nb13": 4 * k * m,
        "ne0": n, "ne1": m, "r2": 1, "r3": 1,
    }  # fmt: skip
    ragged = n % 64 != 0 or m % 32 != 0
    constants = {700: "bool:false", 701: f"bool:{str(ragged).lower()}", 702: "i16:1", 703: "i16:1", 704: "i16:1", 705: "i16:1"}
    grid = ["--grid", f"{32 * -(-m // 32)},{4 * -(-n // 64)}", "--threads", "32,4"]
    return launch("mul_mm.metal", f"kernel_mul_mm_{name}_f32", fields, constants, grid, 8192 if ragged else 6144)


def launch(
    file: str, kernel: str, fields: dict[str, int], constants: dict[int, str], grid: list[str], threadgroup_memory: int
) -> list[str]:
    """What `mettle bench` is to be told of a launch."""
    options = ["--source", file, "--kernel", kernel, *grid]
    options += ["--bytes", "0=" + ",".join(f"{field}:{value}" for field, value in fields.items())]
    for index, value in constants.items():
        options += ["--constant", f"{index}={value}"]
    if threadgroup_memory:
        options += ["--threadgroup", f"0={threadgroup_memory}"]
    return options


def theirs(args: argparse.Namespace, name: str, n: int, k: int) -> float:
    """Microseconds of llama.cpp's kernel."""
    m = args.columns
    weights = k // FORMATS[name].values * FORMATS[name].bytes * n
    source, file, *options = matrix_vector(name, n, k) if m == 1 else matrix_matrix(name, n, k, m)
    (time,) = bench(
        args, source, str(args.llama / "ggml-metal/kernels" / file), *options,
        "-I", str(args.llama), "-I", str(args.llama / "ggml-metal"), "-D", "GGML_METAL_HAS_BF16",
        "--buffer", f"1=u8:{weights}:uniform", "--buffer", f"2=f32:{k * m}:uniform", "--buffer", f"3=f32:{n * m}:zeros",
        "--moved", str(weights + 4 * m * (n + k)),
    ).values()  # fmt: skip
    return time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mettle", type=Path, default=ROOT / "target" / "release" / "mettle")
    parser.add_argument("--llama", type=Path, default=LLAMA, help="the folder that holds ggml-metal")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--time", type=float, default=0.05)
    parser.add_argument("--columns", type=int, default=1, help="1, or a number that `mettle bench` has products by tiles of")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS), metavar="FORMAT")
    parser.add_argument("--shapes", nargs="+", default=["4096x4096", "14336x4096", "4096x14336"], metavar="NxK")
    args = parser.parse_args()
    print("| weights | n x k | llama.cpp us | Mettle us | times as fast |")
    print("|---|---|---:|---:|---:|")
    for name in args.formats:
        kernel = "mul_mv" if args.columns == 1 else "mul_mm"
        ours = bench(args, "--kernel", f"{kernel}_{name}_f32", "--shape", f"*m{args.columns}")
        for shape in args.shapes:
            n, k = map(int, shape.split("x"))
            time = theirs(args, name, n, k)
            own = ours[f"n{n}_k{k}_m{args.columns}"]
            print(f"| {name} | {n} x {k} | {time:.1f} | {own:.1f} | {time / own:.1f} |", flush=True)


if __name__ == "__main__":
    main()
