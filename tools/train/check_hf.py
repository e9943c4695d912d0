#!/usr/bin/env python3
"""Check that transformers' Qwen3ForCausalLM, given the trained folder, computes what model.py does."""
import argparse
import json
from dataclasses import fields
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import Qwen3ForCausalLM

from model import Config, Qwen3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="folder that train.py wrote")
    args = parser.parse_args()
    theirs = Qwen3ForCausalLM.from_pretrained(args.model, dtype=torch.float32).eval()
    config = json.loads((args.model / "config.json").read_text())
    ours = Qwen3(Config(**{f.name: config[f.name] for f in fields(Config)})).eval()
    weights = {name.removeprefix("model."): w for name, w in theirs.state_dict().items() if name != "lm_head.weight"}
    ours.load_state_dict(weights)
    ids = Tokenizer.from_file(str(args.model / "tokenizer.json")).encode(
        "Psalms 3\n\nLord, how are they increased that trouble me! many are they that rise up against me.").ids
    with torch.no_grad():
        a, b = ours(torch.tensor([ids])), theirs(torch.tensor([ids])).logits
    error = ((a - b).norm() / b.norm()).item()
    print(f"relative difference of the logits: {error:.2e}")
    assert error < 1e-5, "transformers disagrees"


if __name__ == "__main__":
    main()
