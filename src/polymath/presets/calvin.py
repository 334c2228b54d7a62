"""A small policy for CALVIN, trained on two CPU cores from pictures, words and demonstrations by scripted experts."""

from dataclasses import replace

from polymath.model import action_head
from polymath.presets import demo
from polymath.training import losses, optimizer
from polymath.training.recipe import Recipe

CHUNK, ACTION, STATE = 8, 7, 15

RECIPE = Recipe(
    name="calvin",
    purpose="CALVIN on a CPU: static and gripper camera, chunks of 8",
    model=replace(
        demo.MODEL,
        decoder=replace(demo.MODEL.decoder, width=128, heads=4, mlp=384),
        action_head=action_head.Config(width=128, mlp=256, action_dim=ACTION),
        state_dim=STATE,
        localizer=CHUNK * ACTION,
    ),
    layout=replace(
        demo.RECIPE.layout,
        length=192,
        max_images=10,
        max_control_steps=5,
        chunk_length=CHUNK,
        action_dim=ACTION,
        state_dim=STATE,
        # 56 control tokens would be most of a sequence of 90: without them a row holds five windows instead of two.
        action_tokens=False,
    ),
    control_tokens=512,
    alignment=replace(
        demo.RECIPE.alignment,
        steps=5_000,
        rows=8,
        length=128,
        max_images=6,
        max_control_steps=6,
        optimizer=replace(demo.RECIPE.alignment.optimizer, cooldown_steps=1_000),
    ),
    robot=replace(
        demo.RECIPE.robot,
        steps=8_000,
        rows=4,
        pairs=0.0,
        robot=1.0,
        optimizer=optimizer.Config(
            peak_learning_rate=2e-3,
            warmup_steps=200,
            cooldown_steps=3_000,
            momentum=0.9,
            # The gripper's camera was never shown in the alignment, so the vision transformer goes on learning.
            groups=(
                ("localizer", 0.0),
                (r"vit\..*", 0.3),
                (r"(?!vit\.|localizer).*", 1.0),
            ),
        ),
        loss=losses.Config(action=10.0),
    ),
    execution=demo.RECIPE.execution,
    augmentation=demo.RECIPE.augmentation,
    held_out=demo.RECIPE.held_out,
)
