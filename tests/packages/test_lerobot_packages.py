"""What LeRobot's discovery asks of our packages, without lerobot: names, modules, types, and no normaliser.

LeRobot 0.6.1 imports every distribution whose METADATA Name begins with lerobot_policy_ or lerobot_env_ by that very
name (`register_third_party_plugins`), and finds modules and functions by the names that are checked here
(`policies/factory.py`).
"""

import ast
import tomllib
from pathlib import Path

import pytest

from polymath.benchmarks import registry
from polymath.policy import lerobot

PACKAGES = Path(__file__).parents[2] / "packages"
NAMES = sorted(path.name for path in PACKAGES.glob("lerobot_*"))
POLICY = PACKAGES / "lerobot_policy_polymath_v" / "src" / "lerobot_policy_polymath_v"


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def registered(module: ast.Module) -> dict[str, str]:
    """Type -> the name of the class that registers it."""
    return {
        call.args[0].value: node.name  # type: ignore[attr-defined]
        for node in module.body
        if isinstance(node, ast.ClassDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and ast.unparse(call.func).endswith(".register_subclass")
    }


def test_there_are_a_policy_and_four_environments() -> None:
    assert NAMES == [
        "lerobot_env_calvin",
        "lerobot_env_polymath",
        "lerobot_env_polymath_metaworld",
        "lerobot_env_simpler",
        "lerobot_policy_polymath_v",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_distribution_has_the_name_of_its_module(name: str) -> None:
    project = tomllib.loads((PACKAGES / name / "pyproject.toml").read_text())
    assert project["project"]["name"] == name  # underscores: LeRobot imports the name as it is
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [f"src/{name}"]
    assert (PACKAGES / name / "src" / name / "__init__.py").is_file()
    assert f"# {name}" in (PACKAGES / name / "README.md").read_text()


def test_the_policy_s_parts_are_found_by_their_names() -> None:
    types = registered(tree(POLICY / "configuration_polymath_v.py"))
    assert types == {lerobot.TYPE: "PolymathVConfig"}
    assert "import PolymathVConfig" in (POLICY / "__init__.py").read_text()  # importing the package registers the type
    classes = [node.name for node in tree(POLICY / "modeling_polymath_v.py").body if isinstance(node, ast.ClassDef)]
    assert classes == ["PolymathVPolicy"]
    functions = [n.name for n in tree(POLICY / "processor_polymath_v.py").body if isinstance(n, ast.FunctionDef)]
    assert functions == ["make_polymath_v_pre_post_processors"]
    assert "Normalizer" not in (POLICY / "processor_polymath_v.py").read_text()


def test_all_that_an_export_says_is_a_field_of_the_configuration() -> None:
    """draccus refuses a config.json with a field that the class does not have; the last five are LeRobot's own."""
    [config] = [n for n in tree(POLICY / "configuration_polymath_v.py").body if isinstance(n, ast.ClassDef)]
    own = {n.target.id for n in config.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    inherited = {"type", "n_obs_steps", "input_features", "output_features", "device"}
    robot = registry.benchmark("metaworld").embodiment
    from polymath.presets.demo import TINY

    assert set(lerobot.config(robot, TINY)) <= own | inherited


@pytest.mark.parametrize(
    ("package", "kind", "benchmark"),
    [
        ("lerobot_env_polymath_metaworld", "polymath_metaworld", "metaworld"),
        ("lerobot_env_calvin", "calvin", "calvin"),
        ("lerobot_env_simpler", "simpler", "bridge"),
    ],
)
def test_an_environment_s_type_is_one_of_our_benchmarks(package: str, kind: str, benchmark: str) -> None:
    module = tree(PACKAGES / package / "src" / package / "__init__.py")
    assert list(registered(module)) == [kind]
    [config] = [node for node in module.body if isinstance(node, ast.ClassDef)]
    [field] = [node for node in config.body if isinstance(node, ast.AnnAssign)]
    assert ast.literal_eval(field.value) == registry.benchmark(benchmark).name  # type: ignore[arg-type]
