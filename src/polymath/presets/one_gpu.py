"""Public vision and language models in one policy, to be fine-tuned on one GPU.

    polymath_v_600m    SigLIP 2 B/16          and Qwen3-0.6B
    polymath_v_2b      SigLIP 2 So400m/14     and Qwen3-1.7B

The sizes are those of the models' config.json on the Hugging Face hub: google/siglip2-base-patch16-224,
google/siglip2-so400m-patch14-224, Qwen/Qwen3-0.6B and Qwen/Qwen3-1.7B. Begin with their weights:

    polymath train polymath_v_600m --published vit=FOLDER decoder=FOLDER --data EPISODES --out RUN

What joins the two and acts (resampler, projections, action head) is drawn and learns at the full rate; the published
weights learn more slowly, or not at all below `--adapters`.
"""

from dataclasses import replace

from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.sequence import Layout
from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.model.execution import Execution
from polymath.presets.polymath_v import ACTION_DIM, STATE_DIM, VIT_B_16, VIT_SO400M_14
from polymath.training import optimizer
from polymath.training.recipe import Phase, Recipe

CONTROL_TOKENS = 512
LATENTS, HEAD_WIDTH = 64, 64  # of the resampler

QWEN3_0_6B = decoder.Config(
    vocabulary=151_936 + CONTROL_TOKENS,
    width=1024,
    depth=28,
    heads=16,
    kv_heads=8,
    head_width=128,
    mlp=3072,
    rope_theta=1_000_000.0,
    context=40_960,
    learned_beta=False,
    scale_embedding=False,
)
QWEN3_1_7B = replace(QWEN3_0_6B, width=2048, mlp=6144)

# Of a peak of 2e-4: 4e-5 for the language model and 2e-5 for the vision transformer. Published fine-tunings of whole
# VLAs lie between 2e-5 (OpenVLA, arXiv:2406.09246, section 5.3) and 5e-5 (openpi's configurations of pi0).
GROUPS = ((r"vit\..*", 0.1), (r"decoder\..*", 0.2), (r"(?!vit\.|decoder\.).*", 1.0))
_PHASE = Phase(
    steps=20_000,
    rows=16,
    pairs=0.25,
    robot=0.75,
    optimizer=optimizer.Config(
        peak_learning_rate=2e-4, warmup_steps=1_000, cooldown_steps=5_000, spike_sigma=6.0, groups=GROUPS
    ),
)


def _recipe(name: str, purpose: str, vision: vit.Config, language: decoder.Config, rows: int) -> Recipe:
    looking = resampler.Config(vision.width, LATENTS, 2, vision.width // HEAD_WIDTH, HEAD_WIDTH, mlp=4 * vision.width)
    return Recipe(
        name=name,
        purpose=purpose,
        model=polymath_v.Config(
            vit=vision,
            resampler=looking,
            decoder=language,
            action_head=action_head.Config(language.width, language.width, ACTION_DIM),
            state_dim=STATE_DIM,
        ),
        # Two windows of two or three cameras a row. Without action tokens a window of 30 actions of 6 numbers is half
        # as long; the action head learns them alone.
        layout=Layout(
            length=512,
            latents_per_image=LATENTS,
            image_size=vision.image_size,
            max_images=6,
            max_control_steps=4,
            chunk_length=16,
            action_dim=ACTION_DIM,
            state_dim=STATE_DIM,
            action_tokens=False,
        ),
        control_tokens=CONTROL_TOKENS,
        alignment=replace(_PHASE, rows=rows, pairs=1.0, robot=0.0),
        robot=replace(_PHASE, rows=rows),
        execution=Execution(dtype="bfloat16", remat="full"),
        augmentation=Augmentation(shift=0, crop=0.1),
        chunk_seconds=1.0,
    )


POLYMATH_V_600M = _recipe(
    "polymath_v_600m", "fine-tuning on one GPU: SigLIP 2 B/16 and Qwen3-0.6B", VIT_B_16, QWEN3_0_6B, rows=16
)
POLYMATH_V_2B = _recipe(
    "polymath_v_2b", "fine-tuning on one GPU: SigLIP 2 So400m/14 and Qwen3-1.7B", VIT_SO400M_14, QWEN3_1_7B, rows=8
)
RECIPES = (POLYMATH_V_600M, POLYMATH_V_2B)
