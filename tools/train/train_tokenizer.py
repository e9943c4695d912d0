#!/usr/bin/env python3
"""Train a byte-level BPE tokenizer with Qwen2's pre-tokenizer on the training text.

Ids 0..255 are single bytes, then the merges; the three special tokens come last.
"""
import argparse
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
         r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def train(text: str, vocab: int) -> Tokenizer:
    """A tokenizer with exactly `vocab` entries, special tokens included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([text], trainers.BpeTrainer(
        vocab_size=vocab - len(SPECIAL), show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in SPECIAL])
    assert tokenizer.get_vocab_size() == vocab
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--out", type=Path, required=True, help="the tokenizer.json to write")
    args = parser.parse_args()
    text = args.text.read_text(encoding="utf-8")
    tokenizer = train(text, args.vocab)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(args.out))
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids) == text
    print(f"{args.out}: {args.vocab} tokens, {len(text.encode()) / len(ids):.3f} bytes per token")


if __name__ == "__main__":
    main()
