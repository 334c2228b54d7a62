"""The stages of the demonstration, each a handful of `polymath` commands that run side by side.

episodes ─┐                     ┌─► policy ──────┐
captions ─┼─► tokenizer ─► alignment             ├─► evaluation ─► report
          │                     └─► baselines ───┘
"""

from dataclasses import dataclass
from pathlib import Path

from polymath.demo.settings import BASELINES, NO_LANGUAGE, POLICY, PROPRIOCEPTION, RANDOM, DemoSettings
from polymath.presets import preset

Command = tuple[str, ...]


@dataclass(frozen=True)
class Stage:
    """Commands (without the leading `polymath`) that run at the same time, sharing the cores."""

    name: str
    title: str
    commands: tuple[Command, ...]


def stages(settings: DemoSettings, out: Path) -> list[Stage]:
    """All commands of the demonstration in `out`, in order."""
    policy = str(out / POLICY)
    return [
        Stage("episodes", "Demonstrations by scripted experts", (record_episodes(settings, out),)),
        Stage("captions", "Image-text pairs from the simulator", (record_captions(settings, out),)),
        Stage("tokenizer", "Tokenizer", (train_tokenizer(settings, out),)),
        Stage("alignment", "Vision-language alignment", (train(settings, out, policy, "alignment"),)),
        Stage("policy", "Robot fine-tuning", (train(settings, out, policy, "robot"),)),
        Stage("baselines", "Robot fine-tuning of two baselines", tuple(train_baselines(settings, out, policy))),
        *(
            Stage(f"evaluation of {name}", f"Success rate of {name}", (evaluate(settings, out, name),))
            for name in (POLICY, PROPRIOCEPTION, NO_LANGUAGE, RANDOM)
        ),
    ]


def record_episodes(settings: DemoSettings, out: Path) -> Command:
    size = ("--episodes", str(settings.episodes), "--seed", str(settings.seed), "--workers", str(settings.workers))
    return ("record", "metaworld", "--tasks", *settings.tasks, *size, "--out", str(out / "demonstrations"))


def record_captions(settings: DemoSettings, out: Path) -> Command:
    size = ("--pairs", str(settings.pairs), "--seed", str(settings.seed), "--workers", str(settings.workers))
    return ("record", "captions", "--tasks", *settings.tasks, *size, "--out", str(out / "captions"))


def train_tokenizer(settings: DemoSettings, out: Path) -> Command:
    recipe = preset(settings.preset)
    size = ("--vocab-size", str(recipe.model.decoder.vocabulary), "--control-tokens", str(recipe.control_tokens))
    text = (str(out / "captions"), str(out / "demonstrations"))
    return ("tokenizer", "train", *text, "--shipped", *size, "--out", str(out / "tokenizer.json"))


def train(settings: DemoSettings, out: Path, run: str, phase: str, *more: str) -> Command:
    data = ("--data", str(out / "demonstrations"), str(out / "captions"))
    tokenizer = ("--tokenizer", str(out / "tokenizer.json"))
    overrides = ("--set", f"seed={settings.seed}", *more)
    return ("train", settings.preset, "--phases", phase, *data, *tokenizer, "--out", run, *overrides)


def train_baselines(settings: DemoSettings, out: Path, policy: str) -> list[Command]:
    return [
        (*train(settings, out, str(out / name), "robot", override), "--start", policy)
        for name, override in BASELINES.items()
    ]


def evaluate(settings: DemoSettings, out: Path, name: str) -> Command:
    policy = RANDOM if name == RANDOM else str(out / name)
    size = ("--episodes", str(settings.eval_episodes), "--execute", str(settings.execute), "--seed", str(settings.seed))
    return ("eval", "metaworld", "--policy", policy, "--tasks", *settings.tasks, *size, "--out", str(out))
