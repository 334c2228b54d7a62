"""From a folder of demonstrations to actions, in ten lines of Python.

python examples/finetune.py my_episodes run
python examples/finetune.py my_episodes run polymath_v_200m
"""

import sys

import polymath


def main(folder: str, out: str, preset: str = "tiny") -> polymath.ActionChunk:
    episodes = polymath.open_dataset(folder)
    robot, first = episodes.embodiment, episodes.instruction(0)
    print(f"{len(episodes)} episodes of {robot.name} at {robot.control_hz:g} Hz, cameras {robot.cameras}: {first!r}")
    polymath.train(preset, folder, out)
    policy = polymath.load_policy(out)
    pictures, state = episodes.frames(0, [0])[0], episodes.states(0)[0]
    images = dict(zip(robot.cameras, pictures, strict=True))
    [chunk] = policy.act([polymath.Observation(images, state, first, robot.name)])
    print(f"{len(chunk.actions)} actions; the first one {chunk.actions[0]}, recorded was {episodes.actions(0)[0]}")
    return chunk


if __name__ == "__main__":
    main(*sys.argv[1:])
