"""A small policy for SIMPLER's WidowX tasks, trained on two CPU cores from pictures, words and own demonstrations."""

from dataclasses import replace

from polymath.model import action_head
from polymath.presets import calvin
from polymath.training import optimizer
from polymath.training.recipe import Recipe

CHUNK, ACTION, STATE = 8, 7, 7
IMAGE_SIZE, PATCH = 96, 12

RECIPE = Recipe(
    name="bridge",
    purpose="SIMPLER's WidowX tasks on a CPU: one camera at 96 pixels, chunks of 8",
    model=replace(
        calvin.RECIPE.model,
        vit=replace(calvin.RECIPE.model.vit, image_size=IMAGE_SIZE, patch=PATCH),
        action_head=action_head.Config(width=128, mlp=256, action_dim=ACTION),
        state_dim=STATE,
        localizer=CHUNK * ACTION,
    ),
    layout=replace(
        calvin.RECIPE.layout,
        image_size=IMAGE_SIZE,
        max_images=7,
        max_control_steps=7,
        chunk_length=CHUNK,
        action_dim=ACTION,
        state_dim=STATE,
    ),
    control_tokens=512,
    alignment=replace(calvin.RECIPE.alignment, steps=4_000),
    robot=replace(
        calvin.RECIPE.robot,
        steps=6_000,
        # Pointing goes on beside the actions: few demonstrations show few places, the drawn scenes thousands.
        robot=0.7,
        pointing=0.3,
        optimizer=optimizer.Config(peak_learning_rate=2e-3, warmup_steps=200, cooldown_steps=2_500, momentum=0.9),
    ),
    execution=calvin.RECIPE.execution,
    augmentation=calvin.RECIPE.augmentation,
    held_out=calvin.RECIPE.held_out,
)
