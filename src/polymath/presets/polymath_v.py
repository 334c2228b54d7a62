"""Polymath-V from 200 million to 30 billion parameters; `polymath presets` counts them.

How the dimensions were chosen. Head width 128 and widths in multiples of 128 fill the tiles of the matrix unit. At 30B
every large axis splits over the chips into whole tiles of 8 rows: heads x head width 8,192 = 512 x 16, feed-forward
20,480 = 512 x 40, key-value heads x head width 2,048 = 64 x 32. Width 7,168 and 44 layers then give 30.0 B within 1 %.

The vocabulary has exactly 256,000 entries and its matrix exactly 256,000 rows: 64 x 4,000 rows are whole tiles.
(Padding to 262,144 = 512 x 512 would give whole tiles on 512 chips as well, at the price of 44 M dead weights, 2.4 % of
the logits' work and a mask over the padding in every place that reads logits.)
"""

from dataclasses import replace

from polymath.data.sequences.augment import Augmentation
from polymath.data.sequences.sequence import Layout
from polymath.model import action_head, decoder, polymath_v, resampler, vit
from polymath.model.execution import Execution
from polymath.training import optimizer
from polymath.training.recipe import Phase, Recipe

ACTION_DIM, STATE_DIM = 16, 32  # two arms of seven joints with grippers; robots with fewer dimensions are padded
CHECKPOINT_MINUTES = 10.0  # what an interruption loses at most
LEARN_ALL_BUT_VISION = ((r"vit\..*", 0.0), (r"(?!vit\.).*", 1.0))

# CLIP ViT-bigG/14. Its final norm was trained on the class token alone, so patch features are taken before it.
VIT_BIG_G_14 = vit.Config(image_size=224, patch=14, width=1664, depth=48, heads=16, mlp=8192, final_norm=False)
# SigLIP So400m/14.
VIT_SO400M_14 = vit.Config(
    image_size=224,
    patch=14,
    width=1152,
    depth=27,
    heads=16,
    mlp=4304,
    class_token=False,
    norm_before_blocks=False,
    activation="gelu_tanh",
    epsilon=1e-6,
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
)
# OpenAI CLIP ViT-L/14.
VIT_L_14 = vit.Config(
    image_size=224, patch=14, width=1024, depth=24, heads=16, mlp=4096, activation="quick_gelu", final_norm=False
)
# SigLIP B/16.
VIT_B_16 = replace(VIT_SO400M_14, patch=16, width=768, depth=12, heads=12, mlp=3072)


def _model(vision: vit.Config, looking: tuple[int, int, int], language: decoder.Config, head: int) -> polymath_v.Config:
    """`looking`: depth, heads and head width of the resampler; `head`: hidden width of the action head."""
    depth, heads, head_width = looking
    return polymath_v.Config(
        vit=vision,
        resampler=resampler.Config(vision.width, 64, depth, heads, head_width, mlp=4 * vision.width),
        decoder=language,
        action_head=action_head.Config(language.width, head, ACTION_DIM),
        state_dim=STATE_DIM,
    )


_ADAFACTOR = optimizer.Config(peak_learning_rate=2e-4, warmup_steps=2_000, spike_sigma=6.0, groups=LEARN_ALL_BUT_VISION)

# 126,000 steps of 2,048 x 4,096 tokens: four weeks on 512 TPU v4 chips at 55 % of their peak.
POLYMATH_V_30B = Recipe(
    name="polymath_v_30b",
    purpose="the reference: 512 TPU v4 chips for four weeks",
    model=_model(
        VIT_BIG_G_14,
        (6, 16, 128),
        decoder.Config(
            vocabulary=256_000,
            width=7168,
            depth=44,
            heads=64,
            kv_heads=16,
            head_width=128,
            mlp=20_480,
            rope_theta=500_000.0,
        ),
        head=7168,
    ),
    layout=Layout(
        length=4096,
        latents_per_image=64,
        image_size=224,
        max_images=64,
        max_control_steps=32,
        chunk_length=8,
        action_dim=ACTION_DIM,
        state_dim=STATE_DIM,
    ),
    control_tokens=4096,
    alignment=Phase(
        steps=90_000, rows=2048, pairs=1.0, robot=0.0, optimizer=_ADAFACTOR, checkpoint_minutes=CHECKPOINT_MINUTES
    ),
    robot=Phase(
        steps=36_000, rows=2048, pairs=0.25, robot=0.75, optimizer=_ADAFACTOR, checkpoint_minutes=CHECKPOINT_MINUTES
    ),
    execution=Execution(
        dtype="bfloat16", remat="projections", micro_batches=2, gradient_dtype="bfloat16", gradient_reduction="hops"
    ),
    augmentation=Augmentation(shift=0, crop=0.1),
    chunk_seconds=1.0,
)
# The smaller ones run on other machines too; how the reference is executed was found with `polymath plan --search`.
_ANYWHERE = replace(POLYMATH_V_30B, execution=Execution(dtype="bfloat16", remat="full"))

POLYMATH_V_8B = replace(
    _ANYWHERE,
    name="polymath_v_8b",
    purpose="one pod slice; fine-tuning on eight GPUs",
    model=_model(
        VIT_SO400M_14,
        (6, 16, 64),
        replace(POLYMATH_V_30B.model.decoder, width=4096, depth=32, heads=32, kv_heads=8, mlp=13_312),
        head=4096,
    ),
    alignment=replace(POLYMATH_V_30B.alignment, rows=1024),
    robot=replace(POLYMATH_V_30B.robot, rows=1024),
)

POLYMATH_V_1B = replace(
    _ANYWHERE,
    name="polymath_v_1b",
    purpose="pre-training on one host, fine-tuning on one GPU",
    model=_model(
        VIT_L_14,
        (6, 8, 64),
        replace(POLYMATH_V_30B.model.decoder, width=1536, depth=10, heads=12, kv_heads=4, mlp=4096),
        head=1536,
    ),
    alignment=replace(POLYMATH_V_30B.alignment, rows=256),
    robot=replace(POLYMATH_V_30B.robot, rows=256),
)

POLYMATH_V_200M = replace(
    _ANYWHERE,
    name="polymath_v_200m",
    purpose="research on one GPU; a vocabulary of 32,768",
    model=_model(
        VIT_B_16,
        (2, 12, 64),
        replace(POLYMATH_V_30B.model.decoder, vocabulary=32_768, width=768, depth=12, heads=6, kv_heads=2, mlp=2048),
        head=768,
    ),
    control_tokens=512,
    alignment=replace(POLYMATH_V_30B.alignment, rows=64),
    robot=replace(POLYMATH_V_30B.robot, rows=64),
)

RECIPES = (POLYMATH_V_200M, POLYMATH_V_1B, POLYMATH_V_8B, POLYMATH_V_30B)
