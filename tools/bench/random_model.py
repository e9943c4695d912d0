"""Writes a GGUF model of Qwen3's architecture with random weights: its speed is real, its text is not.

    python tools/bench/random_model.py out.gguf [--format Q4_0|Q8_0|Q4_K|Q5_K|Q6_K] [--layers 36] [--hidden 4096] [--heads 32] [--kv-heads 8] \
        [--feed-forward 12288] [--vocabulary 151936] [--experts 0] [--used 8]

With experts it is Qwen3's mixture of them, and their width that of the feed-forward layer. The shapes are Qwen3-8B's unless said otherwise. Blocks are random bytes under a fixed scale, which takes seconds where rounding
random numbers takes minutes; every byte value is equally probable, so no kernel has it easier than with real weights. Needs
`pip install gguf`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import gguf
import numpy as np

HEAD = 128
"""Values of a head."""

POOL = 64 << 20
"""Bytes that all tensors are cut from."""

Kind = gguf.GGMLQuantizationType

BLOCKS = {
    Kind.Q4_0: (8, {0: 1}),
    Kind.Q8_0: (128, {0: 1}),
    Kind.Q4_K: (430, {0: 1, 2: 7.5}),
    Kind.Q5_K: (880, {0: 1, 2: 15.5}),
    Kind.Q6_K: (2370, {208: 1}),
}
"""How large values are under a scale of 1, the square root of 3 times their deviation, and where scales of half precision lie, with their factors: what is
subtracted from K-quants is the mean of the rest."""


def blocks(pool: np.ndarray, at: int, shape: tuple[int, ...], kind: Kind) -> np.ndarray:
    """Rows of blocks: scales of half precision and random bytes, such that a product keeps the size of its input."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    values, size = gguf.GGML_QUANT_SIZES[kind]
    largest, scales = BLOCKS[kind]
    scale = np.sqrt(3.0 / columns) / largest
    count = rows * columns // values
    need = count * size
    out = np.empty(need, np.uint8)
    for start in range(0, need, POOL // 2):
        part = out[start : start + POOL // 2]
        part[:] = pool[at : at + part.size]
    out = out.reshape(count, size)
    for offset, factor in scales.items():
        out[:, offset : offset + 2] = np.frombuffer(np.float16(factor * scale).tobytes(), np.uint8)
    return out.reshape(*shape[:-1], columns // values * size)


def add_tokenizer(writer: gguf.GGUFWriter, vocabulary: int) -> None:
    """A token for each byte, and names for the rest."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters = {byte: chr(byte) for byte in plain}
    letters |= {byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in letters)}
    tokens = [letters[byte] for byte in range(256)] + ["\u0120t"]
    tokens += [f"token{i}" for i in range(len(tokens), vocabulary - 1)] + ["<|endoftext|>"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([int(gguf.TokenType.NORMAL)] * (vocabulary - 1) + [int(gguf.TokenType.CONTROL)])
    writer.add_token_merges(["\u0120 t"])
    writer.add_eos_token_id(vocabulary - 1)
    writer.add_add_bos_token(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--format", choices=[kind.name for kind in BLOCKS], default="Q4_0")
    parser.add_argument("--layers", type=int, default=36)
    parser.add_argument("--hidden", type=int, default=4096)
    parser.add_argument("--heads", type=int, default=32)
    parser.add_argument("--kv-heads", type=int, default=8)
    parser.add_argument("--feed-forward", type=int, default=12288)
    parser.add_argument("--vocabulary", type=int, default=151936)
    parser.add_argument("--experts", type=int, default=0)
    parser.add_argument("--used", type=int, default=8)
    args = parser.parse_args()

    kind = Kind[args.format]
    writer = gguf.GGUFWriter(args.out, "qwen3moe" if args.experts else "qwen3")
    writer.add_context_length(40960)
    writer.add_block_count(args.layers)
    writer.add_embedding_length(args.hidden)
    writer.add_feed_forward_length(args.feed_forward)
    writer.add_head_count(args.heads)
    writer.add_head_count_kv(args.kv_heads)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_rope_freq_base(1e6)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(args.vocabulary)
    writer.add_quantization_version(2)
    if args.experts:
        writer.add_expert_count(args.experts)
        writer.add_expert_used_count(args.used)
        writer.add_expert_feed_forward_length(args.feed_forward)
    add_tokenizer(writer, args.vocabulary)

    hidden, queries, keys = args.hidden, args.heads * HEAD, args.kv_heads * HEAD
    matrices: dict[str, tuple[int, ...]] = {"token_embd": (args.vocabulary, hidden), "output": (args.vocabulary, hidden)}
    norms = {"output_norm": hidden}
    for layer in range(args.layers):
        matrices |= {
            f"blk.{layer}.attn_q": (queries, hidden),
            f"blk.{layer}.attn_k": (keys, hidden),
            f"blk.{layer}.attn_v": (keys, hidden),
            f"blk.{layer}.attn_output": (hidden, queries),
        }
        of_each, suffix = ((args.experts,), "_exps") if args.experts else ((), "")
        if args.experts:
            matrices[f"blk.{layer}.ffn_gate_inp"] = (args.experts, hidden)
        matrices |= {
            f"blk.{layer}.ffn_gate{suffix}": (*of_each, args.feed_forward, hidden),
            f"blk.{layer}.ffn_up{suffix}": (*of_each, args.feed_forward, hidden),
            f"blk.{layer}.ffn_down{suffix}": (*of_each, hidden, args.feed_forward),
        }
        norms |= {
            f"blk.{layer}.attn_norm": hidden,
            f"blk.{layer}.attn_q_norm": HEAD,
            f"blk.{layer}.attn_k_norm": HEAD,
            f"blk.{layer}.ffn_norm": hidden,
        }
    values, size = gguf.GGML_QUANT_SIZES[kind]
    for name, (*rows, columns) in matrices.items():
        row = columns // values * size
        writer.add_tensor_info(f"{name}.weight", (*rows, row), np.dtype(np.uint8), math.prod(rows) * row, raw_dtype=kind)
    for name, length in norms.items():
        writer.add_tensor_info(f"{name}.weight", (length,), np.dtype(np.float32), 4 * length)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    random = np.random.default_rng(1)
    pool = random.integers(0, 256, POOL, dtype=np.uint8)
    for shape in matrices.values():
        writer.write_tensor_data(blocks(pool, int(random.integers(POOL // 2)), shape, kind))
    for length in norms.values():
        writer.write_tensor_data(np.ones(length, np.float32))
    writer.close()


if __name__ == "__main__":
    main()
