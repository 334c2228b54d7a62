"""Where the checkout of calvin_env may be, and which version it is; files of one line stand for the real ones."""

from pathlib import Path

import pytest
from calvin_worker import checkout


def make(root: Path) -> Path:
    for name in ("calvin_env/envs/play_table_env.py", "conf/scene/calvin_scene_D.yaml", "data/franka_panda/panda.urdf"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("# text\n")
    return root


@pytest.mark.parametrize("place", [".", "calvin_env", "calvin/calvin_env"])
def test_a_checkout_is_found_itself_beside_and_inside_calvin(tmp_path: Path, place: str) -> None:
    make(tmp_path / place)
    assert checkout.find(tmp_path) == (tmp_path / place).resolve()


def test_no_checkout_is_one_line_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "calvin_env").mkdir()  # a submodule that was never initialised
    with pytest.raises(checkout.CheckoutError, match="polymath setup calvin --from PATH") as error:
        checkout.find(tmp_path)
    assert "\n" not in str(error.value)


def test_a_checkout_without_its_meshes_is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "data" / "franka_panda" / "panda.urdf").unlink()
    (tmp_path / "data" / "franka_panda").rmdir()
    with pytest.raises(checkout.CheckoutError, match="has no data/franka_panda"):
        checkout.find(tmp_path)


def test_a_changed_line_is_another_version_and_another_place_is_not(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one"), make(tmp_path / "other")
    assert checkout.version(one) == checkout.version(other)
    (other / "conf/scene/calvin_scene_D.yaml").write_text("# changed\n")
    assert checkout.version(one) != checkout.version(other)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkout, "PACKAGES", ("numpy", "no_such_package"))
    with pytest.raises(checkout.CheckoutError, match=r"has no no_such_package; make .*`polymath setup calvin`"):
        checkout.check_packages()
