"""A small policy for LIBERO-Object and LIBERO-Spatial, trained on two CPU cores from one camera and words."""

from dataclasses import replace

from polymath.presets import calvin, demo

CHUNK, ACTION, STATE = 8, 7, 8
IMAGE, LATENTS = 96, 16  # a can of soup is 4 of 64 pixels wide, and five cans differ in their labels only

RECIPE = replace(
    calvin.RECIPE,
    name="libero",
    purpose="LIBERO-Object and -Spatial on a CPU: one camera, chunks of 8",
    model=replace(
        calvin.RECIPE.model,
        vit=replace(demo.MODEL.vit, image_size=IMAGE),
        resampler=replace(demo.MODEL.resampler, latents=LATENTS),
        state_dim=STATE,
    ),
    layout=replace(
        calvin.RECIPE.layout,
        image_size=IMAGE,
        latents_per_image=LATENTS,
        max_images=4,
        max_control_steps=4,
        state_dim=STATE,
    ),
    alignment=replace(calvin.RECIPE.alignment, steps=10_000, rows=10, max_images=3, max_control_steps=3),
    robot=replace(
        calvin.RECIPE.robot,
        steps=12_000,
        rows=5,
        loss=replace(calvin.RECIPE.robot.loss, error="l1"),
        optimizer=replace(
            calvin.RECIPE.robot.optimizer,
            cooldown_steps=6_000,
            groups=((r"(vit\.|localizer).*", 0.0), (r"(?!vit\.|localizer).*", 1.0)),
        ),
    ),
)
