#!/usr/bin/env python3
"""Bits per byte of a text under a GGUF of the bundled model, in plain numpy float32.

The definition, which `mettle score` shares, is in README.md. The weights are dequantised
and everything is computed in float32.
"""
import argparse
import math
import time
from pathlib import Path

import numpy as np
from gguf import GGUFReader, quants
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from train_tokenizer import QWEN2


class Model:
    """A qwen3 GGUF: sizes, dequantised weights and tokenizer."""

    def __init__(self, path: Path) -> None:
        reader = GGUFReader(path)
        self.field = lambda key: reader.fields[key].contents()
        get = lambda key: self.field("qwen3." + key)
        self.layers, self.context = get("block_count"), get("context_length")
        self.heads, self.kv_heads = get("attention.head_count"), get("attention.head_count_kv")
        self.head_dim, self.eps = get("attention.key_length"), get("attention.layer_norm_rms_epsilon")
        self.base = get("rope.freq_base")
        self.w = {t.name.removesuffix(".weight"): quants.dequantize(t.data, t.tensor_type).astype(np.float32)
                  for t in reader.tensors}
        self.window_start: int = self.field("tokenizer.ggml.eos_token_id")

    def tokenizer(self) -> Tokenizer:
        """The tokenizer that the file's metadata describes; it never encodes text as a special token."""
        assert (self.field("tokenizer.ggml.model"), self.field("tokenizer.ggml.pre")) == ("gpt2", "qwen2")
        merges = [tuple(m.split(" ")) for m in self.field("tokenizer.ggml.merges")]
        ids = {token: i for i, token in enumerate(self.field("tokenizer.ggml.tokens"))}
        tokenizer = Tokenizer(models.BPE(vocab=ids, merges=merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
            pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        return tokenizer

    def norm(self, x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + np.float32(self.eps)) * self.w[name]

    def rope(self, x: np.ndarray) -> np.ndarray:
        """Rotate x (heads, tokens, head_dim), pairing channel i with i + head_dim / 2."""
        half = self.head_dim // 2
        angle = np.arange(x.shape[1])[:, None] * float(self.base) ** (-np.arange(half) / half)
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        a, b = x[..., :half], x[..., half:]
        return np.concatenate((a * cos - b * sin, b * cos + a * sin), axis=-1)

    def attention(self, x: np.ndarray, p: str) -> np.ndarray:
        n = len(x)
        heads = lambda name: (x @ self.w[p + name].T).reshape(n, -1, self.head_dim).transpose(1, 0, 2)
        q = self.rope(self.norm(heads("attn_q"), p + "attn_q_norm"))
        k = self.rope(self.norm(heads("attn_k"), p + "attn_k_norm"))
        k, v = (np.repeat(t, self.heads // self.kv_heads, axis=0) for t in (k, heads("attn_v")))
        s = q @ k.transpose(0, 2, 1) / np.float32(math.sqrt(self.head_dim))
        s = np.where(np.tri(n, dtype=bool), s, np.float32(-np.inf))
        s = np.exp(s - s.max(axis=-1, keepdims=True))
        y = s / s.sum(axis=-1, keepdims=True) @ v
        return y.transpose(1, 0, 2).reshape(n, -1) @ self.w[p + "attn_output"].T

    def logits(self, ids: list[int]) -> np.ndarray:
        """Logits (tokens, vocabulary) after each of ids."""
        x = self.w["token_embd"][ids]
        for i in range(self.layers):
            p = f"blk.{i}."
            x = x + self.attention(self.norm(x, p + "attn_norm"), p)
            h = self.norm(x, p + "ffn_norm")
            gate = h @ self.w[p + "ffn_gate"].T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ self.w[p + "ffn_up"].T)) @ self.w[p + "ffn_down"].T
        return self.norm(x, "output_norm") @ self.w.get("output", self.w["token_embd"]).T


def score(model: Model, ids: list[int]) -> float:
    """Total bits of ids: the sum of -log2 p over every token, window by window."""
    bits = 0.0
    for start in range(0, len(ids), model.context):
        target = ids[start:start + model.context]
        z = model.logits([model.window_start] + target[:-1]).astype(np.float64)
        top = z.max(axis=-1)
        log_sum = top + np.log(np.exp(z - top[:, None]).sum(axis=-1))
        bits += float((log_sum - z[np.arange(len(target)), target]).sum()) / math.log(2)
    return bits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    args = parser.parse_args()
    began = time.time()
    model = Model(args.model)
    data = args.text.read_bytes()
    ids = model.tokenizer().encode(data.decode()).ids
    bits = score(model, ids)
    print(f"{args.model.name}: {bits / len(data):.4f} bits/byte ({len(ids)} tokens, {len(data)} bytes, "
          f"perplexity {2 ** (bits / len(ids)):.3f} per token, {time.time() - began:.0f} s)")


if __name__ == "__main__":
    main()
