#!/usr/bin/env python3
"""Convert the folder that train.py wrote to GGUF.

Every matrix, the embedding included, is stored as --type; norm vectors stay F32. The output
matrix is the embedding, so it is not stored twice.
"""
import argparse
import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Quant
from gguf import quants
from safetensors.numpy import load_file

TYPES = {
    "f32": (Quant.F32, gguf.LlamaFileType.ALL_F32),
    "q8_0": (Quant.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q4_0": (Quant.Q4_0, gguf.LlamaFileType.MOSTLY_Q4_0),
}
DESCRIPTION = (
    "A small Qwen3 base model trained from scratch on the King James Bible (public domain; the text of "
    "Debian's bible-kjv-text) by tools/train in Mettle's repository. It continues text; it follows no instructions.")


def metadata(w: gguf.GGUFWriter, config: dict, name: str, file_type: int) -> None:
    w.add_name(name)
    w.add_description(DESCRIPTION)
    w.add_license("MIT OR Apache-2.0")
    w.add_languages(["en"])
    w.add_tags(["text-generation"])
    w.add_file_type(file_type)
    w.add_quantization_version(gguf.GGML_QUANT_VERSION)
    w.add_block_count(config["num_hidden_layers"])
    w.add_context_length(config["max_position_embeddings"])
    w.add_embedding_length(config["hidden_size"])
    w.add_feed_forward_length(config["intermediate_size"])
    w.add_head_count(config["num_attention_heads"])
    w.add_head_count_kv(config["num_key_value_heads"])
    w.add_key_length(config["head_dim"])
    w.add_value_length(config["head_dim"])
    w.add_rope_dimension_count(config["head_dim"])
    w.add_rope_freq_base(config["rope_theta"])
    w.add_layer_norm_rms_eps(config["rms_norm_eps"])
    w.add_vocab_size(config["vocab_size"])


def vocabulary(w: gguf.GGUFWriter, tokenizer: dict) -> None:
    """The tokenizer.json of train_tokenizer.py as GGUF's "gpt2" model with "qwen2" pre-tokenizer."""
    ids = dict(tokenizer["model"]["vocab"])
    special = {t["content"]: t["id"] for t in tokenizer["added_tokens"]}
    ids |= special
    tokens = sorted(ids, key=ids.__getitem__)
    assert [ids[t] for t in tokens] == list(range(len(tokens)))
    kinds = [gguf.TokenType.CONTROL if t in special else gguf.TokenType.NORMAL for t in tokens]
    merges = [m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]]
    end = special["<|endoftext|>"]
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre("qwen2")
    w.add_token_list(tokens)
    w.add_token_types([int(k) for k in kinds])
    w.add_token_merges(merges)
    w.add_bos_token_id(end)
    w.add_eos_token_id(end)
    w.add_pad_token_id(end)
    w.add_add_bos_token(True)  # every training window began with it


def weights(folder: Path) -> dict[str, np.ndarray]:
    """All tensors, under their transformers names."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    out: dict[str, np.ndarray] = {}
    for file in sorted(set(index["weight_map"].values())):
        out |= load_file(folder / file)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="folder that train.py wrote")
    parser.add_argument("--type", choices=TYPES, required=True)
    parser.add_argument("--name", default="Mettle KJV 6.5M")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()

    config = json.loads((args.model / "config.json").read_text())
    quant, file_type = TYPES[args.type]
    w = gguf.GGUFWriter(args.out, "qwen3")
    metadata(w, config, args.name, file_type)
    vocabulary(w, json.loads((args.model / "tokenizer.json").read_text(encoding="utf-8")))
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    renamed = {names.get_name(n, (".weight",)): t for n, t in weights(args.model).items()}
    for name, tensor in sorted(renamed.items()):
        kind = Quant.F32 if tensor.ndim == 1 else quant
        w.add_tensor(name, quants.quantize(tensor, kind), raw_dtype=kind)
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()
    print(f"{args.out}: {len(renamed)} tensors, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
