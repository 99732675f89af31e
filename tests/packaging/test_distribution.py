"""What the wheel and the sdist hold, and that the wheel works on its own."""

from __future__ import annotations

import email
import os
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

from .conftest import ROOT, VERSION, Built, Environment

PACKAGE = "flowable/external_worker_client"
SOURCES = {
    path.relative_to(ROOT / "src").as_posix()
    for path in (ROOT / "src" / "flowable").rglob("*")
    if path.is_file() and path.suffix != ".pyc"
}


def wheel_names(built: Built) -> set[str]:
    """Return the names of the files in the wheel."""
    with zipfile.ZipFile(built.wheel) as wheel:
        return set(wheel.namelist())


def sdist_names(built: Built) -> set[str]:
    """Return the names of the files in the sdist, below its one folder."""
    with tarfile.open(built.sdist) as sdist:
        return {name.partition("/")[2] for name in sdist.getnames()}


def metadata(built: Built) -> Message:
    """Return the metadata of the wheel."""
    with zipfile.ZipFile(built.wheel) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(wheel.read(name))


def test_the_wheel_holds_the_package_and_nothing_else(built: Built) -> None:
    """Every source file is in, py.typed among them, and nothing claims the shared namespace."""
    held = {name for name in wheel_names(built) if ".dist-info/" not in name}
    assert held == SOURCES
    assert f"{PACKAGE}/py.typed" in held
    assert "flowable/__init__.py" not in held


def test_the_sdist_holds_the_sources_and_the_licence(built: Built) -> None:
    """A build from the sdist has what it needs, and nothing claims the shared namespace there either."""
    names = sdist_names(built)
    assert {f"src/{name}" for name in SOURCES} | {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert "src/flowable/__init__.py" not in names


def test_metadata_names_the_distribution_and_its_two_dependencies(built: Built) -> None:
    """The sibling requires this very name, and the base install needs two things only."""
    found = metadata(built)
    assert (found["Name"], found["Version"]) == ("flowable.external-worker-client", VERSION)
    assert (found["Requires-Python"], found["License-Expression"]) == (">=3.11", "Apache-2.0")
    required = {line for line in found.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert {line.partition(">")[0] for line in required} == {"pydantic", "requests"}
    assert "Typing :: Typed" in found.get_all("Classifier", [])


def test_the_wheel_alone_imports_completely(built: Built, environment: Environment) -> None:
    """Every module imports without any extra, but for those that are for one and are imported where it is asked for."""
    environment.install(built.wheel)
    code = """
import importlib, pkgutil
import flowable.external_worker_client as package
prefix = package.__name__ + "."
names = [found.name for found in pkgutil.walk_packages(package.__path__, prefix) if ".pyreqwest_" not in found.name]
for name in names:
    importlib.import_module(name)
print(*names)
"""
    imported = set(environment.run(code).split())
    package = "flowable.external_worker_client"
    assert {f"{package}.client", f"{package}.restclient", f"{package}.testing.server"} <= imported


def test_pydantic_is_not_imported_before_it_is_needed(built: Built, environment: Environment) -> None:
    """Programs without typed handlers do not pay for pydantic at start."""
    environment.install(built.wheel)
    code = "import sys, flowable.external_worker_client; print('pydantic' in sys.modules, 'requests' in sys.modules)"
    assert environment.run(code) == "False True"


def test_every_public_name_of_the_package_is_there(built: Built, environment: Environment) -> None:
    """A star import from the installed wheel gives what `__all__` promises."""
    environment.install(built.wheel)
    code = """
import flowable.external_worker_client as package
print(*sorted(name for name in package.__all__ if not hasattr(package, name)), len(package.__all__) >= 12)
"""
    assert environment.run(code) == "True"


def test_no_lock_names_an_address_or_an_index() -> None:
    """The locks serve on every network: they hold names, versions and hashes."""
    locks = sorted((ROOT / "requirements").iterdir())
    assert [path.name for path in locks] == ["bench.txt", "dev.txt", "packaging.in", "packaging.txt", "uv.in", "uv.txt"]
    offending = [
        f"{path.name}: {line}"
        for path in locks
        for line in path.read_text().splitlines()
        if "://" in line or "index-url" in line or "find-links" in line or " @ " in line
    ]
    assert offending == []


def test_every_locked_requirement_has_hashes() -> None:
    """`--require-hashes` has something to compare with, for each requirement."""
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        requirements = path.read_text().replace("\\\n", " ").splitlines()
        assert [line for line in requirements if "==" in line and "--hash=sha256:" not in line] == []
        assert any("==" in line for line in requirements)


def test_no_file_names_the_host_of_a_package_registry() -> None:
    """Whoever builds this chooses where packages come from."""
    hosts = ["pypi." + "org", "python" + "hosted", "repo.maven." + "apache", "repo1." + "maven"]
    made = {".git", ".venv", ".venvs", ".cache", "_build", "build", "target", "__pycache__", "htmlcov", "dist"}
    offending: list[str] = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in made and not name.endswith("_cache")]
        for path in (Path(folder, name) for name in names):
            content = path.read_bytes()
            offending += [f"{path.relative_to(ROOT)}: {host}" for host in hosts if host.encode() in content]
    assert offending == []
