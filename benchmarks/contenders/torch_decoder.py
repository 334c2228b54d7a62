"""One training step of transformers' Llama in PyTorch at the same sizes. `torch_decoder.py WIDTH STEPS`."""

import os
import sys

import torch
import transformers
from sizes import DECODERS
from timing import measure, report


def main(width: int, steps: int) -> None:
    size = DECODERS[width]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        intermediate_size=size.mlp,
        num_hidden_layers=size.depth,
        num_attention_heads=size.heads,
        num_key_value_heads=size.heads,
        max_position_embeddings=size.length,
        tie_word_embeddings=True,
        attn_implementation="sdpa",
    )
    model = transformers.LlamaForCausalLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    tokens = torch.randint(0, size.vocabulary, (size.batch, size.length))

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        loss = model(tokens, labels=tokens, use_cache=False).loss
        loss.backward()
        optimizer.step()
        return float(loss)

    count = sum(weight.numel() for weight in model.parameters())
    report("transformers (PyTorch)", count, measure(step, steps), tokens=size.batch * size.length, loss=step())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
