"""Mettle's products of matrices on an NVIDIA GPU and torch's, in the same run on the same shapes.

    python tools/bench/gemm.py [--mettle target/release/mettle] [--kernel 'mul_mm_*'] [--rounds 3] [--time 0.2]

Prints a Markdown table of medians: microseconds and TFLOP/s of a whole product by Mettle, from floats to floats, the microseconds
of torch's matmul of bfloats of the same shape, and the ratio of torch's time to Mettle's. The programs take turns, so that a card
whose clock drifts slows both. Needs torch with CUDA and `cargo build --release -p mettle`.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = re.compile(r"n(\d+)_k(\d+)_m(\d+)")


def mettle_times(binary: Path, kernel: str, seconds: float) -> dict[tuple[str, str], float]:
    """Microseconds of each entry of `mettle bench`, by kernel and shape. Large products are the same with cold caches."""
    command = [str(binary.resolve()), "bench", "--device", "cuda", "--kernel", kernel, "--time", str(seconds), "--json"]
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {(row["kernel"], row["shape"]): row["warm"]["microseconds"] for row in report["entries"]}


def torch_time(m: int, n: int, k: int, repeats: int = 30) -> float:
    """Microseconds of `x @ w.T` with random bfloats."""
    x = torch.randn(m, k, device="cuda").bfloat16()
    w = torch.randn(n, k, device="cuda").bfloat16()
    for _ in range(5):
        x @ w.T
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        x @ w.T
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) * 1e3)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mettle", type=Path, default=ROOT / "target" / "release" / "mettle")
    parser.add_argument("--kernel", default="mul_mm_*")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--time", type=float, default=0.2)
    args = parser.parse_args()

    ours: dict[tuple[str, str], list[float]] = {}
    theirs: dict[str, list[float]] = {}
    for _ in range(args.rounds):
        for entry, time in mettle_times(args.mettle, args.kernel, args.time).items():
            # Those of experts and of affine weights have other names.
            if PRODUCT.fullmatch(entry[1]):
                ours.setdefault(entry, []).append(time)
        for shape in {shape for _, shape in ours}:
            n, k, m = map(int, PRODUCT.fullmatch(shape).groups())
            theirs.setdefault(shape, []).append(torch_time(m, n, k))

    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}\n")
    print("| kernel | shape | Mettle us | TFLOP/s | torch bf16 us | ratio |\n|---|---|---:|---:|---:|---:|")
    for (kernel, shape), times in ours.items():
        n, k, m = map(int, re.fullmatch(r"n(\d+)_k(\d+)_m(\d+)", shape).groups())
        time, reference = statistics.median(times), statistics.median(theirs[shape])
        print(f"| `{kernel}` | {shape} | {time:.1f} | {2e-6 * m * n * k / time:.1f} | {reference:.1f} | {reference / time:.2f} |")


if __name__ == "__main__":
    main()
