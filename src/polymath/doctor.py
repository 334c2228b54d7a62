"""What this machine can do, and what to install for more: `polymath doctor`.

Whatever could hang, crash or take a device away (GL libraries, accelerators) is probed in a child process.
"""

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

DISTRIBUTION = "polymath-v"
PROBE_SECONDS = 90.0
DEMO_DISK_GB = 1.0
DEMO_MEMORY_GB = 6.0


@dataclass(frozen=True)
class Finding:
    """One line of the report. `needed`: the demo does not run without it; `remedy`: what to do for more."""

    area: str
    name: str
    works: bool
    detail: str
    remedy: str = ""
    needed: bool = False


def examine(directory: Path = Path()) -> list[Finding]:
    """Every finding about this machine, in the order of the report; `directory` is where runs would be written."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        probes = pool.map(lambda probe: probe(), (_jax, _ray_caster, _egl, _osmesa))
        findings = [*_machine(directory)]
        findings += probes
    return [*findings, *_simulators(), *_media(), *_extras(), _browser()]


def can_run_demo(findings: list[Finding]) -> bool:
    return all(finding.works for finding in findings if finding.needed)


def as_text(findings: list[Finding]) -> str:
    """The report for a person: one line a finding, and under it what to install where that would give more."""
    width = max(len(finding.name) for finding in findings)
    lines, area = [], ""
    for finding in findings:
        if finding.area != area:
            area = finding.area
            lines.append(f"\n{area}")
        mark = "yes" if finding.works else ("NO " if finding.needed else "no ")
        lines.append(f"  {mark}  {finding.name:<{width}}  {finding.detail}")
        if finding.remedy and not finding.works:
            lines.append(f"       {'':<{width}}  -> {finding.remedy}")
    verdict = "can run here" if can_run_demo(findings) else "cannot run here yet: see the lines marked NO"
    return "\n".join([*lines, "", f"`make demo` {verdict}."]).lstrip("\n")


def _machine(directory: Path) -> Iterator[Finding]:
    version = platform.python_version()
    python_fits = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding(
        "machine", "python", python_fits, f"{version}, {sys.executable}", "use Python 3.11 to 3.13", needed=True
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding("machine", "cores", True, f"{cores}, {platform.machine()}, {platform.system()}")
    memory = _memory_gb()
    yield Finding(
        "machine",
        "memory",
        memory >= DEMO_MEMORY_GB,
        f"{memory:.1f} GB",
        f"the demo is made to stay under {DEMO_MEMORY_GB:.0f} GB",
        needed=True,
    )
    free = shutil.disk_usage(directory).free / 1e9
    remedy = f"the demo needs {DEMO_DISK_GB:.0f} GB: free some, or run it on another disk"
    yield Finding("machine", "disk", free >= DEMO_DISK_GB, f"{free:.1f} GB free here", remedy, needed=True)


def _memory_gb() -> float:
    """Physical memory, or the control group's limit where that is smaller (containers)."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        total = min(total, int(text))
    return total / 1e9


_JAX_PROBE = """
import jax
kinds = [device.device_kind for device in jax.devices()]
print("jax", jax.__version__, "on", ", ".join(f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)))
"""


def _jax() -> Finding:
    works, report = _run_python(_JAX_PROBE)
    return Finding("jax", "devices", works, report, "run `make install` again", needed=True)


_MODEL = """
import mujoco, numpy as np
model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom type='sphere' size='1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
"""

_RAY_PROBE = (
    _MODEL
    + """
hit, distance = np.full(1, -1, np.int32), np.zeros(1)
mujoco.mj_multiRay(m=model, d=data, pnt=np.array([[0.0], [0.0], [3.0]]), vec=np.array([[0.0], [0.0], [-1.0]]),
                   geomgroup=None, flg_static=1, bodyexclude=-1, geomid=hit, dist=distance, nray=1, cutoff=10.0)
assert hit[0] == 0 and abs(distance[0] - 2.0) < 1e-6, (hit, distance)
print("MuJoCo", mujoco.__version__, "without OpenGL")
"""
)

_GL_PROBE = (
    _MODEL
    + """
renderer = mujoco.Renderer(model, 16, 16)
renderer.update_scene(data)
assert renderer.render().any(), "the picture is black"
from OpenGL import GL
print(GL.glGetString(GL.GL_RENDERER).decode())
renderer.close()
"""
)


def _ray_caster() -> Finding:
    works, report = _run_python(_RAY_PROBE, MUJOCO_GL="disable")
    return Finding("renderers", "ray caster", works, report, _install("sim"), needed=True)


def _egl() -> Finding:
    works, report = _run_python(_GL_PROBE, MUJOCO_GL="egl", PYOPENGL_PLATFORM="egl")
    return Finding(
        "renderers", "egl", works, report, "for OpenGL pictures: apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri"
    )


def _osmesa() -> Finding:
    works, report = _run_python(_GL_PROBE, MUJOCO_GL="osmesa", PYOPENGL_PLATFORM="osmesa")
    return Finding(
        "renderers", "osmesa", works, report, "for OpenGL pictures without a display: apt-get install libosmesa6"
    )


def _simulators() -> Iterator[Finding]:
    version = _version("metaworld")
    yield Finding("simulators", "metaworld", version is not None, version or "absent", _install("sim"), needed=True)


def _media() -> Iterator[Finding]:
    import av

    from polymath.data.files.video_writer import RANDOM_ACCESS

    library = ".".join(map(str, av.library_versions["libavcodec"]))
    for codec in (encoding.codec for encoding in RANDOM_ACCESS):
        present = codec in av.codecs_available
        detail = f"PyAV {av.__version__} with libavcodec {library}" if present else f"not in PyAV {av.__version__}"
        yield Finding("media", codec, present, detail, "only video data sets need it: install the av wheel from PyPI")


def _extras() -> Iterator[Finding]:
    extras = importlib.metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or []
    for extra in extras:
        missing = sorted(set(_missing(DISTRIBUTION, extra)))
        detail = "installed" if not missing else f"without {', '.join(missing)}"
        yield Finding("extras", extra, not missing, detail, _install(extra))


def _missing(distribution: str, extra: str) -> Iterator[str]:
    """Names of the distributions that `distribution[extra]` requires on this machine and that are not installed."""
    for text in importlib.metadata.requires(distribution) or []:
        requirement = Requirement(text)
        if requirement.marker is None or not requirement.marker.evaluate({"extra": extra}):
            continue
        if requirement.marker.evaluate({"extra": ""}):
            continue  # required without the extra, too
        if (version := _version(requirement.name)) is None or not requirement.specifier.contains(
            version, prereleases=True
        ):
            yield requirement.name
            continue
        for nested in requirement.extras:
            yield from _missing(requirement.name, nested)


def _browser() -> Finding:
    paths = [path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))]
    remedy = "only the tests of pages need it: apt-get install chromium"
    return Finding("browser", "chromium", bool(paths), paths[0] if paths else "absent", remedy)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _install(extra: str) -> str:
    """The command, to be run in the clone: `make install` puts uv, not pip, into .venv."""
    own_uv = Path(sys.executable).with_name("uv")
    return f"{os.path.relpath(own_uv) if own_uv.is_file() else ''} pip install -e '.[{extra}]'".strip()


def _run_python(program: str, **environment: str) -> tuple[bool, str]:
    """Run `program` in a child of this interpreter: whether it ended well, and its last line (or why it did not)."""
    try:
        child = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False, f"no answer within {PROBE_SECONDS:.0f} s"
    if child.returncode == 0:
        return True, child.stdout.strip().splitlines()[-1]
    if child.returncode < 0:
        return False, f"crashed with signal {-child.returncode}"
    errors = [line for line in child.stderr.splitlines() if re.match(r"\w+(\.\w+)*(Error|Exception)\b", line)]
    return False, f"not usable ({errors[0][:100]})" if errors else f"failed with status {child.returncode}"
