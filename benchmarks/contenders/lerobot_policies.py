"""One answer of LeRobot's SmolVLA (10 flow steps) or ACT, random weights. `lerobot_policies.py smolvla|act SIZE STEPS`.

SmolVLA asks the Hub for the sizes of its language model and for a processor, of which it uses two token ids; both are
given from here, so nothing is fetched. Its pictures stay at 224 pixels instead of being enlarged to 512.
"""

import os
import sys
import tempfile
from types import SimpleNamespace

import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from sizes import INSTRUCTION, POLICIES, Policy
from timing import measure, report

PICTURE, STATE = "observation.images.front", "observation.state"


def features(size: Policy) -> dict[str, dict[str, PolicyFeature]]:
    return {
        "input_features": {
            PICTURE: PolicyFeature(FeatureType.VISUAL, (3, size.image_size, size.image_size)),
            STATE: PolicyFeature(FeatureType.STATE, (size.state_dim,)),
        },
        "output_features": {"action": PolicyFeature(FeatureType.ACTION, (size.action_dim,))},
    }


def smolvla(size: Policy, folder: str) -> torch.nn.Module:
    """6 layers of language beside our 8, because its action expert is a third transformer."""
    from lerobot.policies.smolvla import modeling_smolvla, smolvlm_with_expert
    from transformers import SmolVLMConfig

    vision = {
        "hidden_size": size.vision_width,
        "intermediate_size": size.vision_mlp,
        "num_hidden_layers": size.vision_depth,
        "num_attention_heads": size.vision_heads,
        "image_size": size.image_size,
        "patch_size": 14,
    }
    text = {
        "model_type": "llama",
        "vocab_size": size.vocabulary,
        "hidden_size": size.width,
        "intermediate_size": size.mlp,
        "num_hidden_layers": 6,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "head_dim": size.width // size.heads,
    }
    config = SmolVLMConfig(vision_config=vision, text_config=text, scale_factor=2, image_token_id=3, pad_token_id=0)
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = True
    config.save_pretrained(folder)
    ids = SimpleNamespace(fake_image_token_id=4, global_image_token_id=5)
    stand_in = SimpleNamespace(from_pretrained=lambda _: SimpleNamespace(tokenizer=ids))
    smolvlm_with_expert.AutoProcessor = stand_in
    settings = modeling_smolvla.SmolVLAConfig(
        **features(size),
        vlm_model_name=folder,
        load_vlm_weights=False,
        num_vlm_layers=6,
        chunk_size=size.chunk,
        n_action_steps=size.chunk,
        resize_imgs_with_padding=(size.image_size, size.image_size),
        device="cpu",
    )
    return modeling_smolvla.SmolVLAPolicy(settings).eval()


def act(size: Policy, _: str) -> torch.nn.Module:
    from lerobot.policies.act.configuration_act import ACTConfig
    from lerobot.policies.act.modeling_act import ACTPolicy

    chunk = {"chunk_size": size.chunk, "n_action_steps": size.chunk}
    settings = ACTConfig(**features(size), **chunk, pretrained_backbone_weights=None, device="cpu")
    return ACTPolicy(settings).eval()


def observation(size: Policy) -> dict[str, torch.Tensor]:
    """The instruction counts as one token a word and one for the line end that SmolVLA adds."""
    tokens = torch.arange(len(INSTRUCTION.split()) + 1)[None] + 100
    return {
        PICTURE: torch.rand(1, 3, size.image_size, size.image_size),
        STATE: torch.randn(1, size.state_dim),
        "observation.language.tokens": tokens,
        "observation.language.attention_mask": torch.ones_like(tokens, dtype=torch.bool),
    }


def main(name: str, size_name: str, steps: int) -> None:
    size = POLICIES[size_name]
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        policy = {"smolvla": smolvla, "act": act}[name](size, folder).float()
    seen = observation(size)
    with torch.no_grad():
        measured = measure(lambda: policy.predict_action_chunk(dict(seen)), steps)
        chunk = policy.predict_action_chunk(dict(seen))
    count = sum(weight.numel() for weight in policy.parameters())
    report({"smolvla": "LeRobot SmolVLA", "act": "LeRobot ACT"}[name], count, measured, chunk=list(chunk.shape))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
