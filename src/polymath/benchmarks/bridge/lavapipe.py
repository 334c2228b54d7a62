"""Software Vulkan for SAPIEN 2 where there is no GPU: Mesa's lavapipe beside the environment, without being root.

    ENVIRONMENT/lavapipe/root/     Debian's or Ubuntu's packages, downloaded by apt-get and unpacked by dpkg
    ENVIRONMENT/lavapipe/layer/    the layer of vulkan/semaphore_fd.c, compiled by cc, and its manifest

SAPIEN 2.2 needs Mesa 25 (22.3, of Debian 12, is refused by it), so on Debian 12 the packages are those of
bookworm-backports. The worker finds the directory beside its interpreter (`bridge_worker.vulkan`).
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from polymath.errors import ConfigError
from polymath.workers.checkouts import Tell

SOURCE = Path(__file__).parent / "vulkan" / "semaphore_fd.c"
LAYER = "VK_LAYER_POLYMATH_semaphore_fd"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = ("mesa-vulkan-drivers", "libvulkan1")
# Part of every system, and not to be shadowed by a copy of another version.
SYSTEM_PACKAGES = ("libc6", "libc-bin", "libcrypt1", "libgcc-s1", "libstdc++6", "gcc-", "debconf", "perl", "dpkg")
WITH_BACKPORTS = ("bookworm",)  # releases whose own Mesa is too old
MIRROR = re.compile(r"https?://\S+/debian/?(?=\s|$)", re.M)
WITHOUT = ["--no-recommends", "--no-suggests", "--no-conflicts", "--no-breaks", "--no-replaces", "--no-enhances"]
BY_HAND = (
    "install Mesa 25 or newer with lavapipe, libvulkan1 and gcc (as root on Debian 12: apt-get install -t "
    "bookworm-backports mesa-vulkan-drivers libvulkan1), and run `polymath setup bridge` again"
)


def make_lavapipe(environment: Path, tell: Tell) -> None:
    """Put lavapipe into the environment, unless a GPU renders or it is there. Raises ConfigError with the remedy."""
    if has_gpu():
        tell("Vulkan: the driver of this machine's GPU")
        return
    folder = environment / "lavapipe"
    if (folder / "layer" / "manifest.json").is_file():
        tell(f"Vulkan: lavapipe, {folder}, is there")
        return
    missing = [tool for tool in ("apt-get", "apt-cache", "dpkg", "cc") if shutil.which(tool) is None]
    if missing:
        raise ConfigError(
            f"software Vulkan: {', '.join(missing)} not found, which this machine without a GPU needs; {BY_HAND}"
        )
    tell(f"Vulkan: no GPU here, so lavapipe goes into {folder}")
    temporary = environment / f".lavapipe.{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with TemporaryDirectory() as downloads:
            _unpack(Path(downloads), temporary / "root")
        build_layer(temporary / "layer")
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def has_gpu() -> bool:
    """Whether NVIDIA's driver answers; SAPIEN 2 renders with it alone."""
    if shutil.which("nvidia-smi") is None:
        return False
    return subprocess.run(["nvidia-smi", "-L"], capture_output=True, check=False).returncode == 0


def build_layer(folder: Path) -> None:
    """Compile the layer and write its manifest into `folder`. Raises ConfigError with what the compiler says."""
    folder.mkdir(parents=True, exist_ok=True)
    library = folder / "libpolymath_semaphore_fd.so"
    _run(["cc", "-shared", "-fPIC", "-O2", "-fvisibility=hidden", "-o", str(library), str(SOURCE)])
    layer = {
        "name": LAYER,
        "type": "GLOBAL",
        "library_path": f"./{library.name}",
        "api_version": "1.3.239",
        "implementation_version": "1",
        "description": "Lists VK_KHR_external_semaphore_fd for SAPIEN 2 and hides it from lavapipe",
        "device_extensions": [
            {
                "name": "VK_KHR_external_semaphore_fd",
                "spec_version": "1",
                "entrypoints": ["vkGetSemaphoreFdKHR", "vkImportSemaphoreFdKHR"],
            }
        ],
    }
    manifest = {"file_format_version": "1.1.2", "layer": layer}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


def _unpack(downloads: Path, root: Path) -> None:
    """The packages and all that they depend on into `root`, by an apt that writes into `downloads` only."""
    for place in (downloads / "lists" / "partial", downloads / "archives" / "partial", root):
        place.mkdir(parents=True)
    options, release = _apt_options(downloads)
    _run(["apt-get", *options, "update"])
    listed = _run(["apt-cache", *options, *release, "depends", "--recurse", *WITHOUT, *PACKAGES])
    names = [line for line in listed.splitlines() if line and line[0] not in " <|"]
    names = [name for name in dict.fromkeys(names) if not name.startswith(SYSTEM_PACKAGES) and ":" not in name]
    _run(["apt-get", *options, *release, "download", *names], downloads)
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg", "-x", str(package), str(root)])
    if not list(root.glob("usr/share/vulkan/icd.d/lvp_icd*.json")):
        raise ConfigError(f"software Vulkan: {', '.join(PACKAGES)} of this system hold no lavapipe; {BY_HAND}")


def _apt_options(downloads: Path) -> tuple[list[str], list[str]]:
    """Options of every apt command, and of those that choose a release; where needed, backports of the same mirror."""
    options = ["-o", f"Dir::State::lists={downloads / 'lists'}", "-o", f"Dir::Cache={downloads}"]
    codename = _codename()
    if codename not in WITH_BACKPORTS:
        return options, []
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    texts = {file: file.read_text(errors="replace") for file in files if file.is_file()}
    mirrors = [mirror for text in texts.values() for mirror in MIRROR.findall(text)]
    if not mirrors:
        raise ConfigError(f"software Vulkan: /etc/apt names no mirror of Debian to get backports from; {BY_HAND}")
    parts = downloads / "sources"
    parts.mkdir()
    for file in texts:
        if file.parent.name == "sources.list.d":
            shutil.copy(file, parts / file.name)
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    (parts / "polymath-backports.list").write_text(f"deb {signed}{mirrors[0]} {codename}-backports main\n")
    return [*options, "-o", f"Dir::Etc::sourceparts={parts}"], ["-t", f"{codename}-backports"]


def _codename() -> str:
    release = Path("/etc/os-release")
    lines = release.read_text().splitlines() if release.is_file() else []
    return next((line.partition("=")[2].strip('"') for line in lines if line.startswith("VERSION_CODENAME=")), "")


def _run(command: Sequence[str], cwd: Path | None = None) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if run.returncode:
        said = [line for line in (run.stderr + run.stdout).splitlines() if line.strip()]
        raise ConfigError(f"{' '.join(command[:2])}: {said[-1] if said else 'failed without a word'}; {BY_HAND}")
    return run.stdout
