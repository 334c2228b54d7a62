"""A small policy for SIMPLER's WidowX tasks, trained on two CPU cores from pictures, words and own demonstrations."""

from dataclasses import replace

from polymath.model import action_head
from polymath.presets import calvin
from polymath.training.recipe import Recipe

CHUNK, ACTION, STATE = 8, 7, 7
IMAGE_SIZE, LATENTS = 96, 16

RECIPE = Recipe(
    name="bridge",
    purpose="SIMPLER's WidowX tasks on a CPU: one camera at 96 pixels, chunks of 8",
    model=replace(
        calvin.RECIPE.model,
        vit=replace(calvin.RECIPE.model.vit, image_size=IMAGE_SIZE),
        resampler=replace(calvin.RECIPE.model.resampler, latents=LATENTS),
        action_head=action_head.Config(width=128, mlp=256, action_dim=ACTION),
        state_dim=STATE,
        localizer=CHUNK * ACTION,
    ),
    layout=replace(
        calvin.RECIPE.layout,
        image_size=IMAGE_SIZE,
        latents_per_image=LATENTS,
        max_images=4,
        max_control_steps=4,
        chunk_length=CHUNK,
        action_dim=ACTION,
        state_dim=STATE,
    ),
    control_tokens=512,
    alignment=replace(calvin.RECIPE.alignment, steps=4_000, rows=8, length=128, max_images=4, max_control_steps=4),
    robot=replace(calvin.RECIPE.robot, steps=6_000, rows=5),
    execution=calvin.RECIPE.execution,
    augmentation=calvin.RECIPE.augmentation,
)
