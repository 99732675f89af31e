"""What all tests share: options and fixtures for the real engine, and profiles for Hypothesis.

A test that needs a real engine is marked `real_engine` by itself: it is in tests/real, or uses one of the fixtures
`real_engine`, `release_engine` and `own_engine`. All tests of a run share one engine of each release, however many
processes the run has; they keep out of each other's way by topics and process keys of their own (`models`, `unique`).
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
# For `tests.support` and `engine.launch`, which belong to the repository and not to the installed library.
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from engine import launch
    from tests.support.engines import SharedEngines
    from tests.support.models import Model

    from flowable.external_worker_client.testing.real_engine import RealEngine

DEFAULT_RELEASE = "7.2.0"
RELEASES = (DEFAULT_RELEASE, "7.0.1", "6.8.0")
OWN_FIXTURES = {"own_engine"}
ENGINE_FIXTURES = {"real_engine", "release_engine"} | OWN_FIXTURES
REAL_ENGINE_TIMEOUT = 180  # seconds for one test

# A shared, busy machine is slow at times: no deadline for a single example.
settings.register_profile("dev", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2_000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")

_directory = pytest.StashKey[Path]()
_left_out = pytest.StashKey[str]()
_build_error = pytest.StashKey[Exception]()
_shared = pytest.StashKey["SharedEngines"]()


# ---------------------------------------------------------------- options and marks


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for the real engine."""
    group = parser.getgroup("real engine")
    group.addoption(
        "--engine", metavar="URL", help="use this engine, which is running already, instead of starting one"
    )
    group.addoption(
        "--engine-auth", metavar="USER:PASSWORD", default="rest-admin:test", help="for --engine; default: %(default)s"
    )
    group.addoption(
        "--engine-release", choices=RELEASES, default=DEFAULT_RELEASE, help="the release that tests use which name none"
    )
    # Here, because the options of a folder are known only when that is named on the command line.
    group.addoption(
        "--storm-jobs",
        type=int,
        metavar="N",
        default=200,
        help="jobs in each test of tests/storms; default: %(default)s",
    )
    group.addoption(
        "--storm-seed", type=int, metavar="N", help="of their dice; default: another one each time, printed"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line("markers", "real_engine: needs a real Flowable engine (set by itself)")
    config.addinivalue_line("markers", "releases: runs on releases of Flowable besides the default (set by itself)")


# First: the expression of `-m` shall see the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_itemcollected(item: pytest.Item) -> None:
    """Set the marks."""
    fixtures = set(getattr(item, "fixturenames", ()))
    if ENGINE_FIXTURES & fixtures or ROOT / "tests" / "real" in item.path.parents:
        item.add_marker("real_engine")
        # The first tests wait for engines to start, on a machine that is busy with that.
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(REAL_ENGINE_TIMEOUT))
    if (release := named_release(item)) is not None and release != DEFAULT_RELEASE:
        item.add_marker("releases")


def named_release(item: pytest.Item) -> str | None:
    """Return the release that a test was parametrized with, or `None`."""
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get("release_engine")


def shared_release(item: pytest.Item) -> str | None:
    """Return the release of the shared engine that a test uses; `None` for none, or one that runs already."""
    release = named_release(item)
    if release is None and "real_engine" in getattr(item, "fixturenames", ()):
        release = item.config.getoption("--engine-release")
    given = item.config.getoption("--engine") and release == item.config.getoption("--engine-release")
    return None if given else release


def needs_build(item: pytest.Item) -> bool:
    """Tell whether a test needs an engine that the run has to build."""
    return bool(shared_release(item) or OWN_FIXTURES & set(getattr(item, "fixturenames", ())))


# Last: after `-m` and `-k` have had their say, and after the order was shuffled.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what cannot run for lack of tools, and put tests on the same release together."""
    lines = []
    building = [item for item in items if needs_build(item)]
    if building:
        from engine import launch  # noqa: PLC0415  # only when there is something to build

        missing = launch.missing_tools({shared_release(item) or DEFAULT_RELEASE for item in building})
        lines += leave_out(config, items, building, missing)
    on_postgres = [item for item in items if "postgres_server" in getattr(item, "fixturenames", ())]
    if on_postgres:
        from engine import postgres  # noqa: PLC0415  # only when there is something to start

        lines += leave_out(config, items, on_postgres, postgres.missing())
    if lines:
        config.stash[_left_out] = " ".join(lines)
    # Stable, so that the shuffled order stays within a release.
    items.sort(key=lambda item: RELEASES.index(named_release(item) or DEFAULT_RELEASE))


def leave_out(
    config: pytest.Config, items: list[pytest.Item], these: list[pytest.Item], missing: str | None
) -> list[str]:
    """Take out tests for which something is missing, and return a line that says so."""
    # In CI nobody reads a line of a summary: there the tests run, and fail with the same sentence.
    if not missing or os.environ.get("CI"):
        return []
    config.hook.pytest_deselected(items=these)
    items[:] = [item for item in items if item not in these]
    return [f"{len(these)} tests on the real engine were left out. {missing}"]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the engines before the first test: the first build takes minutes, which no test's time-out allows for."""
    config = session.config
    building = [item for item in session.items if needs_build(item)]
    if not building or config.option.collectonly:
        return
    from engine import launch  # noqa: PLC0415  # only when there is something to build

    uses = Counter(release for item in building if (release := shared_release(item)))
    try:
        for release in sorted({*uses, DEFAULT_RELEASE}, reverse=True):
            launch.build(release)
    except launch.EngineError as error:
        config.stash[_build_error] = error
    shared_engines(config).expect(uses)


# ---------------------------------------------------------------- the engines of the run


def told(config: pytest.Config) -> dict[str, Any] | None:
    """Return what the controlling process told this one; `None` when this one is in control, or alone."""
    return getattr(config, "workerinput", None)


def run_directory(config: pytest.Config) -> Path:
    """Return the directory that the processes of this run share."""
    if known := told(config):
        return Path(known["engine_directory"])
    if _directory not in config.stash:
        config.stash[_directory] = Path(tempfile.mkdtemp(prefix="flowable-tests-"))
    return config.stash[_directory]


def shared_engines(config: pytest.Config) -> SharedEngines:
    """Return this process's access to the engines of the run."""
    from tests.support.engines import SharedEngines  # noqa: PLC0415  # only when an engine is used

    if _shared not in config.stash:
        known = told(config)
        owner = int(known["engine_owner"]) if known else os.getpid()
        config.stash[_shared] = SharedEngines(run_directory(config), owner)
    return config.stash[_shared]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let reports travel between processes whatever a test printed: a lone surrogate would end the whole run."""
    return _encodable((yield))


def _encodable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_encodable(key): _encodable(member) for key, member in value.items()}
        case list():
            return [_encodable(member) for member in value]
        case tuple():
            return tuple(_encodable(member) for member in value)
        case _:
            return value


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell the processes of the run where they meet, and whom no engine may outlive."""
    node.workerinput["engine_directory"] = str(run_directory(node.config))
    node.workerinput["engine_owner"] = os.getpid()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End an engine of the run when the last test that needs it is over."""
    try:
        return (yield)
    finally:
        if release := shared_release(item):
            shared_engines(item.config).used(release)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the line about what was left out to the process that prints the summary."""
    answer: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if answer is not None and (line := session.config.stash.get(_left_out, None)):
        answer["left_out"] = line


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take that line over."""
    if line := getattr(node, "workeroutput", {}).get("left_out"):
        node.config.stash[_left_out] = line


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """Say what was left out, and where the engines' logs are when something failed."""
    if line := config.stash.get(_left_out, None):
        terminalreporter.write_line(f"LEFT OUT: {line}", yellow=True)
    directory = config.stash.get(_directory, None)
    if exitstatus == pytest.ExitCode.TESTS_FAILED and directory and list(directory.glob("*.log")):
        terminalreporter.write_line(f"Logs of the engines: {directory}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the engines of the run and remove its directory; logs stay when something failed."""
    directory = config.stash.get(_directory, None)
    if told(config) or directory is None:
        return
    if (directory / "engines.json").exists():
        shared_engines(config).end_all()
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    failed = reporter is not None and bool(reporter.stats.get("failed") or reporter.stats.get("error"))
    if not failed or not list(directory.glob("*.log")):
        shutil.rmtree(directory, ignore_errors=True)


def get_engine(config: pytest.Config, release: str) -> RealEngine:
    """Return access to the shared engine of a release; start it if necessary."""
    from flowable.external_worker_client.testing.real_engine import RealEngine  # noqa: PLC0415  # only when used

    url = config.getoption("--engine")
    if url and release == config.getoption("--engine-release"):
        username, _, password = config.getoption("--engine-auth").partition(":")
        return RealEngine(url, username, password)
    if error := config.stash.get(_build_error, None):
        raise error
    engine = shared_engines(config).get(release)
    return RealEngine(engine.url, engine.username, engine.password)


# ---------------------------------------------------------------- fixtures


@pytest.fixture(scope="session")
def engine_release(pytestconfig: pytest.Config) -> str:
    """The release of `real_engine`."""
    release: str = pytestconfig.getoption("--engine-release")
    return release


@pytest.fixture(scope="session")
def real_engine(pytestconfig: pytest.Config, engine_release: str) -> Iterator[RealEngine]:
    """A real Flowable engine, the same for the whole run."""
    with get_engine(pytestconfig, engine_release) as engine:
        yield engine


@pytest.fixture
def release_engine(request: pytest.FixtureRequest) -> Iterator[RealEngine]:
    """A real engine of the release that the test is parametrized with, the same for the whole run.

    `@pytest.mark.parametrize("release_engine", ["7.2.0", "6.8.0"], indirect=True)`
    """
    with get_engine(request.config, request.param) as engine:
        yield engine


@pytest.fixture
def own_engine(pytestconfig: pytest.Config) -> Iterator[Callable[..., launch.Engine]]:
    """Start engines that only this test uses, and may kill. Takes the arguments of `engine.launch.start`."""
    from engine import launch  # noqa: PLC0415  # only when used

    if error := pytestconfig.stash.get(_build_error, None):
        raise error
    started: list[launch.Engine] = []

    def start(release: str = DEFAULT_RELEASE, **options: Any) -> launch.Engine:
        options.setdefault("log", run_directory(pytestconfig) / f"own-{uuid.uuid4().hex[:8]}.log")
        started.append(launch.start(release, **options))
        return started[-1]

    yield start
    for engine in started:
        engine.kill()


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Make names that no other test has: `unique("topic")` is `topic-3f9a01c2`, with the same ending in one test."""
    suffix = uuid.uuid4().hex[:8]
    return lambda name: f"{name}-{suffix}"


@pytest.fixture
def models(unique: Callable[[str], str]) -> Callable[[str], Model]:
    """Copy model files of examples/models and tests/models, with topics and keys that no other test has."""
    from tests.support.models import copy_of  # noqa: PLC0415  # only when used

    return lambda file_name: copy_of(file_name, unique("").removeprefix("-"))


@pytest.fixture
def free_port() -> int:
    """A port for an engine that is restarted on it.

    From below the range that systems take the near ends of connections from: nobody takes it by chance meanwhile.
    """
    from engine import launch  # noqa: PLC0415  # only when used

    candidates = random.Random(uuid.uuid4().int).sample(range(20_000, 30_000), 20)  # noqa: S311  # not a secret
    return next(port for port in candidates if not launch.port_in_use(port))
