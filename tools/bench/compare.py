"""Mettle and llama.cpp on the same GGUF files in the same run, turn by turn.

    python tools/bench/compare.py MODEL.gguf... [--mettle target/release/mettle] [--threads 2] [--prefill 128] [--decode 128] [--rounds 5]

Prints a Markdown table of medians: tokens a second of prefill and decode for both, and the ratio of Mettle to llama.cpp. Each round
runs both programs once on each model, so that a machine whose speed drifts slows both. llama.cpp runs on the CPU with its default
(f16) cache; needs `pip install -r tools/fixtures/requirements.txt`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "fixtures"))


def mettle_speed(binary: Path, model: Path, prefill: int, decode: int) -> dict[str, float]:
    """Tokens a second of one run of `mettle generate`. The prompt has about a token a letter: rates do not depend on which."""
    prompt = "x" * prefill
    command = [
        str(binary), "generate", "--model", str(model), "--prompt", prompt, "--greedy", "--ignore-eos",
        "--max-tokens", str(decode + 1), "--context", str(prefill + decode + 2), "--json",
    ]  # fmt: skip
    report = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {"prefill": report["prompt_tokens_per_second"], "decode": report["decode_tokens_per_second"]}


def llamacpp_speed(model: Path, threads: int, prefill: int, decode: int) -> dict[str, float]:
    """Tokens a second of one run of llama.cpp, in a process of its own."""
    command = [
        sys.executable, str(ROOT / "tools" / "fixtures" / "llamacpp_run.py"), "speed", str(model), "--threads", str(threads),
        "--prefill", str(prefill), "--decode", str(decode), "--runs", "1",
    ]  # fmt: skip
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rates = {}
    for line in out.splitlines():
        what, _, rest = line.partition(" ")
        if what in ("prefill", "decode"):
            rates[what] = float(rest.split("median ")[1].split()[0])
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--mettle", type=Path, default=ROOT / "target" / "release" / "mettle")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefill", type=int, default=128)
    parser.add_argument("--decode", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    samples: dict[Path, list[tuple[dict[str, float], dict[str, float]]]] = {model: [] for model in args.models}
    for _ in range(args.rounds):
        for model in args.models:
            ours = mettle_speed(args.mettle, model, args.prefill, args.decode)
            theirs = llamacpp_speed(model, args.threads, args.prefill, args.decode)
            samples[model].append((ours, theirs))

    print("| model | phase | Mettle tokens/s | llama.cpp tokens/s | ratio |\n|---|---|---:|---:|---:|")
    for model, rounds in samples.items():
        for phase in ("prefill", "decode"):
            ours = statistics.median(a[phase] for a, _ in rounds)
            theirs = statistics.median(b[phase] for _, b in rounds)
            ratio = statistics.median(a[phase] / b[phase] for a, b in rounds)
            print(f"| {model.stem} | {phase} | {ours:.1f} | {theirs:.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
