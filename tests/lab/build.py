"""What a lab needs on this machine, made once: packages, CRI-O, crictl, the tree of a node.

Each thing is named by a hash of all that goes into it and is renamed into place when it is
complete: a changed recipe builds anew, an interrupted one leaves nothing half.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tooling.venvs import cache_directory

from . import places
from .commands import LabError, run

CRIO_VERSION = "1.36.3"
CRICTL_VERSION = "1.36.0"
_SUITE = "bookworm"
_CRIO_TAGS = "containers_image_openpgp exclude_graphdriver_btrfs libsqlite3 seccomp"
_CRIO_MODULE = "github.com/cri-o/cri-o"
_CRICTL_MODULE = "sigs.k8s.io/cri-tools"

# Host keys are made per lab; a resolver would be of no use without a way out.
_CUSTOMIZE = """
set -eu
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/resolv.conf "$1"/etc/machine-id
chroot "$1" useradd --create-home --shell /bin/bash ops
echo 'ops ALL=(ALL) NOPASSWD: ALL' >"$1"/etc/sudoers.d/ops
chmod 440 "$1"/etc/sudoers.d/ops
mkdir -p "$1"/var/log/journal
"""


@dataclass(frozen=True)
class Built:
    """Folders in the cache; the trees are laid over one another, the first on top."""

    trees: tuple[Path, ...]
    registry: Path


@dataclass(frozen=True)
class _Recipe:
    name: str
    ingredients: str
    make: Callable[[Path], None]
    why: str

    @property
    def path(self) -> Path:
        key = hashlib.sha256(self.ingredients.encode()).hexdigest()[:12]
        return cache_directory() / f"{self.name}-{key}"


def ensure() -> Built:
    """Make what is missing, saying so line by line; in an instant when nothing is."""
    _install_packages()
    crio, crictl, base, registry = _crio(), _crictl(), _base(), _registry()
    # The compiler keeps the processors busy while the base tree waits for the network.
    with ThreadPoolExecutor(2) as pool:
        chains = [pool.submit(_make_all, crio, crictl), pool.submit(_make_all, base, registry)]
    for chain in chains:
        chain.result()
    return Built((crio.path, crictl.path, base.path), registry.path / "usr/bin/docker-registry")


def cached(name: str, ingredients: str, make: Callable[[Path], None], why: str) -> Path:
    """The folder that `make` fills, from the cache when these ingredients were seen before."""
    recipe = _Recipe(name, ingredients, make, why)
    _make_all(recipe)
    return recipe.path


def _make_all(*recipes: _Recipe) -> None:
    for recipe in recipes:
        if not recipe.path.exists():
            _make(recipe)


def _make(recipe: _Recipe) -> None:
    lock = cache_directory() / ".locks" / recipe.name
    lock.mkdir(parents=True, exist_ok=True)
    with places.locked(lock):
        if recipe.path.exists():
            return
        _say(f"{recipe.why} ...")
        prefix = f".unfinished-{recipe.name}-"
        for left in cache_directory().glob(f"{prefix}*"):
            _remove(left)
        unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=cache_directory()))
        try:
            recipe.make(unfinished)
            unfinished.chmod(0o755)
            unfinished.rename(recipe.path)
        except BaseException:
            _remove(unfinished)
            raise


def _remove(folder: Path) -> None:
    # Never across a mount that an interrupted mmdebstrap may have left in there.
    run(["rm", "-rf", "--one-file-system", folder])


def _install_packages() -> None:
    wanted = _listed("apt-packages.txt")
    query = run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *wanted], check=False
    )
    present = {line.split()[0] for line in query.stdout.splitlines() if line.endswith(" installed")}
    missing = [package for package in wanted if package not in present]
    if not missing:
        return
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it makes machines, mounts and network links")
    _say(f"installing {' '.join(missing)} ...")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], env=quiet)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], env=quiet)


def _listed(name: str) -> list[str]:
    lines = (places.SOURCE / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def _on_path(program: str, version: str) -> str | None:
    """An installed program, when it is of just this version."""
    found = shutil.which(program)
    if found and run([found, "--version"], check=False).stdout.split()[2:3] == [version]:
        return found
    return None


def _crio() -> _Recipe:
    module = places.SOURCE / "crio"
    installed = _on_path("crio", CRIO_VERSION)
    # It says no version; that beside an installed CRI-O comes with it.
    pinns = shutil.which("pinns") if installed else None

    def make(tree: Path) -> None:
        target = tree / "usr/bin/crio"
        _program(module, f"{_CRIO_MODULE}/cmd/crio", target, installed, "-tags", _CRIO_TAGS)
        if pinns:
            shutil.copy2(pinns, tree / "usr/bin/pinns")
            return
        _go_is_there()
        run(["go", "mod", "download", _CRIO_MODULE], cwd=module)
        source = run(
            ["go", "list", "-m", "-f", "{{.Dir}}", _CRIO_MODULE], cwd=module
        ).stdout.strip()
        files = [Path(source, "pinns/src", name) for name in ("pinns.c", "sysctl.c")]
        run(["gcc", "-std=c99", "-Os", "-static", "-o", tree / "usr/bin/pinns", *files])

    ingredients = _module_text(module) + _CRIO_TAGS + _identity(installed) + _identity(pinns)
    return _Recipe("crio", ingredients, make, f"CRI-O {CRIO_VERSION} (about 3 minutes, once)")


def _crictl() -> _Recipe:
    module = places.SOURCE / "crictl"
    installed = _on_path("crictl", CRICTL_VERSION)
    stamp = f"-X {_CRICTL_MODULE}/pkg/version.Version={CRICTL_VERSION}"

    def make(tree: Path) -> None:
        target = tree / "usr/bin/crictl"
        _program(module, f"{_CRICTL_MODULE}/cmd/crictl", target, installed, "-ldflags", stamp)

    ingredients = _module_text(module) + stamp + _identity(installed)
    return _Recipe("crictl", ingredients, make, f"crictl {CRICTL_VERSION}")


def _program(module: Path, package: str, target: Path, installed: str | None, *flags: str) -> None:
    target.parent.mkdir(parents=True)
    if installed:
        shutil.copy2(installed, target)
        return
    _go_is_there()
    run(["go", "build", "-buildvcs=false", "-trimpath", *flags, "-o", target, package], cwd=module)


def _go_is_there() -> None:
    if not shutil.which("go"):
        raise LabError("building CRI-O needs Go on PATH (the version is in tests/lab/crio/go.mod)")


def _module_text(module: Path) -> str:
    return (module / "go.mod").read_text() + (module / "go.sum").read_text()


def _identity(installed: str | None) -> str:
    if installed is None:
        return ""
    stat = Path(installed).stat()
    return f"{installed} {stat.st_size} {stat.st_mtime_ns}"


def _base() -> _Recipe:
    packages = ",".join(_listed("node-packages.txt"))

    def make(tree: Path) -> None:
        chosen = [f"--include={packages}", f"--customize-hook={_CUSTOMIZE}"]
        run(["mmdebstrap", "--variant=minbase", *chosen, _SUITE, tree])

    return _Recipe("base", f"{_SUITE} {packages} {_CUSTOMIZE}", make, "the tree of a node")


def _registry() -> _Recipe:
    # The package would start a registry for everybody on port 5000: take only its files.
    def make(tree: Path) -> None:
        run(["apt-get", "download", "-q", "docker-registry"], cwd=tree)
        for package in tree.glob("*.deb"):
            run(["dpkg-deb", "-x", package, tree])
            package.unlink()

    return _Recipe("registry", "docker-registry", make, "the registry")


def _say(line: str) -> None:
    print(f"lab: {line}", flush=True)
