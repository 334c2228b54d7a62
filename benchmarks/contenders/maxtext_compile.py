"""The training step of MaxText, compiled by its own `train_compile`. `maxtext_compile.py OUT FIELD=VALUE …`.

OUT/program.txt is the compiled text, OUT/memory.json what the compiler says of a chip's memory. The fields are
MaxText's own, those of its base.yml.
"""

import sys
from pathlib import Path
from typing import Any

from compiled_step import store
from maxtext.trainers.pre_train import train_compile


def main(out: Path, fields: list[str]) -> None:
    compile_it = train_compile.jit_and_compile

    def keep(*arguments: Any, **named: Any) -> Any:
        step = compile_it(*arguments, **named)
        store(step, out)
        return step

    train_compile.jit_and_compile = keep
    base = Path(train_compile.__file__).parents[2] / "configs" / "base.yml"
    train_compile.main(["train_compile", str(base), *fields])


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
