"""Demonstrations of a small arm, as a leader and a follower record them, and one function for each fault.

Five joints in degrees and a gripper from 0 (closed) to 100, absolute targets at 30 Hz, which the follower reaches two
control steps later through a first-order servo; two cameras that see the arm and the object. Seeds are fixed.
"""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from polymath.types import Embodiment, Episode

NAMES = tuple(
    f"{j}.pos" for j in ("shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper")
)
ARM = Embodiment("so101", 0, ("front", "wrist"), NAMES, NAMES, (), 30.0)
SERVO = 0.7  # of the way to its target in one control step
DELAY = 2
HEIGHT, WIDTH = 48, 64
TASKS = ("Put the red cube into the box", "Put the blue cube into the box")


def demonstrations(count: int = 12, seed: int = 0) -> list[Episode]:
    """Reach, grasp, carry, release: waypoints that differ in every episode, with a hand's tremor."""
    return [demonstration(seed * 1000 + number, TASKS[number % 2]) for number in range(count)]


def demonstration(seed: int, task: str) -> Episode:
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(90, 130))
    points = np.concatenate([np.zeros((1, 5)), rng.uniform(-50, 50, (4, 5)), np.zeros((1, 5))])
    times = np.linspace(0.06, 0.94, 6) + rng.uniform(-0.05, 0.05, 6)
    joints = np.stack([smooth(np.linspace(0, 1, steps), times, column) for column in points.T], axis=1)
    tremor = np.cumsum(rng.normal(0, 0.15, joints.shape), axis=0)
    grip = np.where((np.linspace(0, 1, steps) > times[2]) & (np.linspace(0, 1, steps) < times[4]), 8.0, 85.0)
    actions = np.concatenate([joints + tremor, (grip + rng.normal(0, 0.5, steps))[:, None]], axis=1)
    states = followed(actions) + rng.normal(0, 0.05, actions.shape)
    return Episode(
        images=pictures(states, task, rng),
        states=states.astype(np.float32),
        actions=actions.astype(np.float32),
        instruction=task,
        task=task,
        embodiment=ARM.name,
    )


def smooth(at: np.ndarray, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """From value to value with the minimum-jerk course of a hand (T. Flash, N. Hogan, J. Neurosci. 5 (1985) 1688)."""
    place = np.clip(np.searchsorted(times, at) - 1, 0, len(times) - 2)
    share = np.clip((at - times[place]) / (times[place + 1] - times[place]), 0, 1)
    course = share**3 * (10 - 15 * share + 6 * share**2)
    return values[place] + (values[place + 1] - values[place]) * course


def followed(actions: np.ndarray) -> np.ndarray:
    """What the follower measures."""
    states, now = np.empty_like(actions), actions[0].copy()
    for step in range(len(actions)):
        states[step] = now
        now = now + SERVO * (actions[max(0, step + 1 - DELAY)] - now)
    return states


def pictures(states: np.ndarray, task: str, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A room with the arm from the front, and a table that passes below the wrist; both with a sensor's noise."""
    front, wrist = [], []
    colour = (200, 40, 40) if "red" in task else (40, 40, 200)
    table = Image.fromarray(np.random.default_rng(7).integers(60, 200, (240, 240, 3), np.uint8))
    for row in states:
        scene = Image.new("RGB", (WIDTH, HEIGHT), (150, 160, 150))
        draw = ImageDraw.Draw(scene)
        for line in range(0, WIDTH, 8):
            draw.line((line, 0, line, 12), fill=(90, 90, 100))
        draw.rectangle((46, 34, 54, 42), fill=colour)
        elbow = (32 + 0.2 * row[0], 30 - 0.15 * row[1])
        draw.line((32, 46, *elbow, elbow[0] + 0.25 * row[2], elbow[1] - 12 - 0.1 * row[3]), fill=(30, 30, 30), width=3)
        front.append(np.asarray(scene))
        x, y = int(90 + 0.8 * row[0]), int(90 + 0.8 * row[1])
        wrist.append(np.asarray(table.crop((x, y, x + WIDTH, y + HEIGHT))))
    noisy = [np.stack(each) + rng.normal(0, 2, (len(each), HEIGHT, WIDTH, 3)) for each in (front, wrist)]
    return {name: each.clip(0, 255).astype(np.uint8) for name, each in zip(ARM.cameras, noisy, strict=True)}


def frozen(episode: Episode, camera: str = "front", first: float = 0.0) -> Episode:
    """The camera's picture stands from that share of the episode on."""
    images = episode.images[camera].copy()
    start = int(first * len(images))
    images[start:] = images[start]
    return replace(episode, images={**episode.images, camera: images})


def lagging(episode: Episode, steps: int = 3) -> Episode:
    """States (and pictures) recorded `steps` later than the actions, or earlier if negative."""
    if steps > 0:
        actions = episode.actions[steps:]
        states, images = episode.states[:-steps], {name: each[:-steps] for name, each in episode.images.items()}
    else:
        actions = episode.actions[:steps]
        states, images = episode.states[-steps:], {name: each[-steps:] for name, each in episode.images.items()}
    return replace(episode, actions=actions, states=states, images=images)


def black(episode: Episode, camera: str = "wrist") -> Episode:
    rng = np.random.default_rng(0)
    dark = rng.integers(0, 6, episode.images[camera].shape, np.uint8)
    return replace(episode, images={**episode.images, camera: dark})


def blurred(episode: Episode, camera: str = "wrist") -> Episode:
    blur = ImageFilter.GaussianBlur(2)
    images = np.stack([np.asarray(Image.fromarray(each).filter(blur)) for each in episode.images[camera]])
    return replace(episode, images={**episode.images, camera: images})


def swapped(episode: Episode) -> Episode:
    return replace(episode, images={"front": episode.images["wrist"], "wrist": episode.images["front"]})


def changed(episode: Episode, states=None, actions=None) -> Episode:
    """Columns replaced by functions of themselves: {dimension: function}."""
    new = {"states": episode.states.copy(), "actions": episode.actions.copy()}
    for name, functions in (("states", states or {}), ("actions", actions or {})):
        for dimension, function in functions.items():
            new[name][:, dimension] = function(new[name][:, dimension])
    return replace(episode, **new)


def waiting(episode: Episode, steps: int, at_end: bool = False) -> Episode:
    """The robot stands for `steps` more control steps at its beginning, or its end."""
    rng = np.random.default_rng(steps)

    def longer(values: np.ndarray) -> np.ndarray:
        still = np.repeat(values[-1:] if at_end else values[:1], steps, axis=0)
        if values.dtype == np.float32:
            still = still + rng.normal(0, 0.02, still.shape).astype(np.float32)
        return np.concatenate([values, still] if at_end else [still, values])

    images = {name: longer(each) for name, each in episode.images.items()}
    return replace(episode, images=images, states=longer(episode.states), actions=longer(episode.actions))


def cut(episode: Episode, first: int, last: int) -> Episode:
    """The control steps from `first` up to `last` alone."""
    images = {name: each[first:last] for name, each in episode.images.items()}
    return replace(episode, images=images, states=episode.states[first:last], actions=episode.actions[first:last])


def as_deltas(episode: Episode) -> Episode:
    """The same demonstration with the displacement to the next target as action; the gripper stays absolute."""
    steps = np.diff(episode.actions, axis=0, append=episode.actions[-1:])
    steps[:, 5] = episode.actions[:, 5]
    return replace(episode, actions=steps.astype(np.float32))
