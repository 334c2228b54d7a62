"""The stages of the demonstration: one `polymath` command each, and what must be finished before.

episodes ─┬─► tokenizer ─┬─► alignment ─┬─► policy ──────► evaluation ─┬─► report
captions ─┘              │              └─► no language ─► evaluation ─┤
                         ├──────────► proprioception ────► evaluation ─┤
                         └──────────────────────────────── of random ──┘
"""

from dataclasses import dataclass
from pathlib import Path

from polymath.demo.settings import BASELINES, NO_LANGUAGE, POLICY, PROPRIOCEPTION, RANDOM, DemoSettings
from polymath.presets import preset

Command = tuple[str, ...]
SPLITS = ("seen", "novel_objects", "novel_environments")


@dataclass(frozen=True)
class Stage:
    """A command (without the leading `polymath`), the names of the stages before it, and how many cores it can use."""

    name: str
    title: str
    command: Command
    needs: tuple[str, ...] = ()
    all_cores: bool = False


def stages(settings: DemoSettings, out: Path) -> list[Stage]:
    """All stages of the demonstration in `out`, in an order in which they could be run one by one."""
    before = ("episodes", "captions")
    return [
        Stage("episodes", "Demonstrations by scripted experts", record_episodes(settings, out), all_cores=True),
        Stage("captions", "Image-text pairs from the simulator", record_captions(settings, out), all_cores=True),
        Stage("tokenizer", "Tokenizer", train_tokenizer(settings, out), before, all_cores=True),
        Stage("alignment", "Vision-language alignment", align(settings, out), ("tokenizer",)),
        Stage("policy", "Robot fine-tuning", train(settings, out, str(out / POLICY), "robot"), ("alignment",)),
        *(
            Stage(name, f"Robot fine-tuning of {name}", train_baseline(settings, out, name), (before_it,))
            for name, before_it in ((NO_LANGUAGE, "alignment"), (PROPRIOCEPTION, "tokenizer"))
        ),
        *(
            Stage(f"evaluation of {name}", f"Success rate of {name}", evaluate(settings, out, name), (before_it,))
            for name, before_it in (
                (POLICY, "policy"),
                (NO_LANGUAGE, NO_LANGUAGE),
                (RANDOM, "tokenizer"),
                (PROPRIOCEPTION, PROPRIOCEPTION),
            )
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


def align(settings: DemoSettings, out: Path) -> Command:
    return train(settings, out, str(out / POLICY), "alignment")


def train(settings: DemoSettings, out: Path, run: str, phase: str, *more: str) -> Command:
    data = ("--data", str(out / "demonstrations"), str(out / "captions"))
    tokenizer = ("--tokenizer", str(out / "tokenizer.json"))
    overrides = ("--set", f"seed={settings.seed}", *more)
    return ("train", settings.preset, "--phases", phase, *data, *tokenizer, "--out", run, *overrides)


def train_baseline(settings: DemoSettings, out: Path, name: str) -> Command:
    command = train(settings, out, str(out / name), "robot", *BASELINES[name])
    return command if name == PROPRIOCEPTION else (*command, "--start", str(out / POLICY))


def evaluate(settings: DemoSettings, out: Path, name: str) -> Command:
    policy = RANDOM if name == RANDOM else str(out / name)
    size = ("--episodes", str(settings.eval_episodes), "--execute", str(settings.execute), "--seed", str(settings.seed))
    episodes = ("--tasks", *settings.tasks, "--splits", *SPLITS)
    return ("eval", "metaworld", "--policy", policy, *episodes, *size, "--out", str(out))
