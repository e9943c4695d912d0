#!/usr/bin/env python3
"""Continue some prompts with a GGUF of the bundled model, in numpy (slow: no KV cache)."""
import argparse
from pathlib import Path

import numpy as np
from tokenizers import decoders

from score import Model

PROMPTS = (
    "In the beginning", "And the king said unto his servants,", "Then Jesus answered and said unto them,",
    "The fear of the LORD", "And it came to pass in those days, that", "Psalms 151\n\n",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--prompt", action="append", help="may be given several times")
    parser.add_argument("--tokens", type=int, default=100, help="at most this many new tokens")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-k", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    model = Model(args.model)
    tokenizer = model.tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    for prompt in args.prompt or PROMPTS:
        rng = np.random.default_rng(args.seed)
        ids = [model.window_start] + tokenizer.encode(prompt).ids
        for _ in range(args.tokens):
            z = model.logits(ids)[-1].astype(np.float64)
            best = np.argsort(-z, kind="stable")[:args.top_k]
            p = np.exp((z[best] - z[best[0]]) / args.temperature)
            pick = int(rng.choice(best, p=p / p.sum()))
            if pick == model.window_start:
                break
            ids.append(pick)
        print(f"--- {prompt!r}\n{tokenizer.decode(ids[1:])}", flush=True)


if __name__ == "__main__":
    main()
