#!/usr/bin/env python3
"""Train the bundled model on one GPU and print its loss in bits per byte.

AdamW, cosine schedule, dropout, bf16 autocast over float32 weights. The weights saved are
those of the evaluation (every --eval-every steps) with the lowest loss on dev.txt;
held-out.txt is scored once, at the end. See README.md for the definition of the score.
"""
import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer

from model import Config, Qwen3, save


def segments(text: str, seed: int) -> list[str]:
    """Cut text after chapters, each with probability 1/2: a cut becomes <|endoftext|>.

    So the model sees a chapter both end and be followed by the next one.
    """
    blocks = text.split("\n\n")  # heading, verses, heading, verses, ...
    rng = np.random.default_rng(seed)
    out, current = [], ""
    for heading, verses in zip(blocks[::2], blocks[1::2], strict=True):
        verses = verses.rstrip("\n") + "\n"
        current += ("\n" if current else "") + f"{heading}\n\n{verses}"
        if rng.random() < 0.5:
            out.append(current)
            current = ""
    return out + [current] * bool(current)


def bits_per_byte(model: Qwen3, ids: list[int], eot: int, n_bytes: int) -> float:
    """The score that README.md defines."""
    window, bits = model.c.max_position_embeddings, 0.0
    with torch.no_grad():
        for start in range(0, len(ids), window):
            target = torch.tensor(ids[start:start + window], device="cuda")
            source = torch.cat((target.new_tensor([eot]), target[:-1]))
            bits += F.cross_entropy(model(source[None])[0].float(), target, reduction="sum").item()
    return bits / math.log(2) / n_bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True, help="folder that corpus.py wrote")
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=Config.num_hidden_layers)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=16, help="windows of context length per step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--weight-decay", type=float, default=3.0)
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--eval-every", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()

    began = time.time()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    eot = tokenizer.token_to_id("<|endoftext|>")
    text = {name: (args.text / f"{name}.txt").read_text(encoding="utf-8") for name in ("train", "dev", "held-out")}
    stream = [eot]
    for segment in segments(text["train"], args.seed):
        stream += tokenizer.encode(segment).ids + [eot]
    data = torch.tensor(stream, device="cuda")
    dev = tokenizer.encode(text["dev"]).ids
    dev_bytes = len(text["dev"].encode())

    config = replace(Config(), vocab_size=tokenizer.get_vocab_size(), num_hidden_layers=args.layers)
    model = Qwen3(config, args.dropout).cuda()
    count = sum(p.numel() for p in model.parameters())
    window = config.max_position_embeddings
    print(f"{count} parameters, {len(stream)} training tokens, "
          f"{args.steps * args.batch * window / len(stream):.1f} epochs, {torch.cuda.get_device_name()}")
    matrices = [p for p in model.parameters() if p.ndim == 2]
    norms = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": args.weight_decay}, {"params": norms, "weight_decay": 0.0}],
        lr=args.lr, betas=(0.9, 0.95), fused=True)
    compiled = torch.compile(model)

    offsets = torch.arange(window, device="cuda")
    best, best_step, best_weights = math.inf, 0, {}
    for step in range(1, args.steps + 1):
        warm = min(1.0, step / 100)
        rate = args.lr * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / args.steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        start = torch.randint(len(stream) - window + 1, (args.batch, 1), device="cuda")
        target = data[start + offsets]
        source = torch.cat((torch.full_like(target[:, :1], eot), target[:, :-1]), dim=1)
        with torch.autocast("cuda", torch.bfloat16):
            logits = compiled(source)
        loss = F.cross_entropy(logits.float().flatten(0, 1), target.flatten())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % args.eval_every == 0 or step == args.steps:
            model.eval()
            score = bits_per_byte(model, dev, eot, dev_bytes)
            model.train()
            if score < best:
                best, best_step = score, step
                best_weights = {name: p.detach().clone() for name, p in model.state_dict().items()}
            print(f"step {step}: train {loss.item() / math.log(2):.4f} bits/token, "
                  f"dev {score:.4f} bits/byte, {time.time() - began:.0f} s", flush=True)

    model.load_state_dict(best_weights)
    model.eval()
    torch.set_float32_matmul_precision("highest")
    held = bits_per_byte(model, tokenizer.encode(text["held-out"]).ids, eot, len(text["held-out"].encode()))
    save(best_weights, config, args.out, eot)
    tokenizer.save(str(args.out / "tokenizer.json"))
    result = {"parameters": count, "best_step": best_step, "dev_bits_per_byte": round(best, 4),
              "held_out_bits_per_byte": round(held, 4), "gpu": torch.cuda.get_device_name(),
              "seconds": round(time.time() - began),
              "options": {k: v for k, v in vars(args).items() if not isinstance(v, Path)}}
    (args.out / "training.json").write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
