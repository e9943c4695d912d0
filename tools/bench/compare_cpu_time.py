"""Processor time that Mettle and llama.cpp take for a token, for machines that others keep busy.

    python tools/bench/compare_cpu_time.py MODEL.gguf... [--mettle target/release/mettle] [--rounds 3]

Both run on one processor and thread, in turn. A phase's time is the difference between a long and a short run, so that neither
start-up nor loading counts. Waiting for others does not count either, but what they take of caches and memory does. On Linux;
needs `taskset` and `pip install -r tools/fixtures/requirements.txt`.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

PHASES = {"prefill": ((136, 2), (8, 2)), "decode": ((8, 66), (8, 2))}
"""Tokens of the prompt and tokens generated, of the long and the short run."""


def processor_seconds(command: list[str]) -> float:
    """User and system time of a command on processor 0."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(["taskset", "-c", "0", *command], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def mettle(binary: Path, model: Path, prefill: int, decode: int) -> list[str]:
    # The first token comes of the prompt.
    return [
        str(binary), "generate", "--model", str(model), "--prompt", "x" * prefill, "--greedy", "--ignore-eos",
        "--max-tokens", str(decode + 1), "--context", str(prefill + decode + 2), "--json",
    ]  # fmt: skip


def llamacpp(model: Path, prefill: int, decode: int) -> list[str]:
    return [
        sys.executable, str(ROOT / "tools" / "fixtures" / "llamacpp_run.py"), "speed", str(model), "--threads", "1",
        "--prefill", str(prefill), "--decode", str(decode), "--runs", "1",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--mettle", type=Path, default=ROOT / "target" / "release" / "mettle")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()

    print("| model | phase | Mettle ms/token | llama.cpp ms/token | ratio of speeds |\n|---|---|---:|---:|---:|")
    for model in args.models:
        for phase, (long, short) in PHASES.items():
            tokens = sum(long) - sum(short)
            rounds = []
            for _ in range(args.rounds):
                ours = processor_seconds(mettle(args.mettle, model, *long)) - processor_seconds(mettle(args.mettle, model, *short))
                theirs = processor_seconds(llamacpp(model, *long)) - processor_seconds(llamacpp(model, *short))
                # Its warm-up goes through the prompt, too.
                passes = 2 if phase == "prefill" else 1
                rounds.append((1e3 * ours / tokens, 1e3 * theirs / tokens / passes))
            ours, theirs = (statistics.median(times) for times in zip(*rounds, strict=True))
            ratio = statistics.median(theirs / ours for ours, theirs in rounds)
            print(f"| {model.stem} | {phase} | {ours:.1f} | {theirs:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
