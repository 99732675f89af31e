"""Recordings and conformance cases can fail: an embedded engine that deviates from the real one is found out.

Every deviation is planted into a copy of the whole package, loaded beside the real one, and the recorded case that is
meant to notice is replayed against it; or, where no recording is about it, a case of the conformance suite is played.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PACKAGE = "flowable.external_worker_client.testing"
CONFORMANCE = "tests.conformance"
REPLAY = Path(__file__).with_name("test_recordings.py")
RECORDINGS = Path(__file__).with_name("recordings")


class Planted(importlib.abc.MetaPathFinder):
    """Has one module of the package loaded with a change in its source."""

    def __init__(self, module: str, before: str, after: str) -> None:
        self._module = f"{PACKAGE}.{module}"
        self._before = before
        self._after = after

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how the module is loaded, None for all others."""
        if fullname != self._module:
            return None
        found = PathFinder.find_spec(fullname, path)
        assert found is not None
        assert found.origin is not None
        loader = Changed(fullname, found.origin, self._before, self._after)
        return importlib.util.spec_from_file_location(fullname, found.origin, loader=loader)


class Changed(SourceFileLoader):
    """Loads a module with a change in its source; nothing of it is kept on disk."""

    def __init__(self, fullname: str, path: str, before: str, after: str) -> None:
        super().__init__(fullname, path)
        self._before = before
        self._after = after

    def get_code(self, fullname: str) -> Any:
        """Compile the changed source."""
        source = Path(self.path).read_text(encoding="utf-8")
        assert source.count(self._before) == 1, f"{self._before!r} is {source.count(self._before)} times in {fullname}"
        return compile(source.replace(self._before, self._after), self.path, "exec")


def copied() -> list[str]:
    """Return the names of the loaded modules that a copy has of its own: the engine's, and those of the cases."""
    return [name for name in sys.modules if f"{name}.".startswith((f"{PACKAGE}.", f"{CONFORMANCE}."))]


@contextmanager
def on_a_copy(finder: Planted | None) -> Iterator[None]:
    """Have everything that is imported meanwhile work on a copy of the embedded engine of its own."""
    importlib.import_module(PACKAGE)
    parent = sys.modules[PACKAGE.rpartition(".")[0]]
    kept = {name: sys.modules.pop(name) for name in copied()}
    if finder is not None:
        sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder is not None:
            sys.meta_path.remove(finder)
        for name in copied():
            del sys.modules[name]
        sys.modules.update(kept)
        parent.testing = kept[PACKAGE]  # type: ignore[attr-defined]  # the package is an attribute of its parent


@contextmanager
def replay(finder: Planted | None) -> Iterator[Any]:
    """Return the module that replays recordings, on a copy."""
    with on_a_copy(finder):
        spec = importlib.util.spec_from_file_location("replay_on_a_copy", REPLAY)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield module


@contextmanager
def conformance(finder: Planted | None) -> Iterator[Callable[[str, int], bool]]:
    """Return what tells whether a case of the conformance suite fails for a release, on a copy."""
    with on_a_copy(finder):
        suite, scene, embedded = (
            importlib.import_module(f"{CONFORMANCE}.{name}") for name in ("suite", "scene", "embedded")
        )

        def fails(release: str, number: int) -> bool:
            [case] = [found for found in suite.cases_of(release) if found.number == number]
            engine = embedded.EmbeddedUnderTest(release, executor=case.executor)
            try:
                case.play(scene.Scene(engine))
            except Exception:  # noqa: BLE001 - a wrong answer, or a case that cannot go on after one
                return True
            return False

        yield fails


def noticed(module: Any, release: str, number: int) -> bool:
    """Tell whether a recorded case does not come out as it did on the real engine."""
    case = json.loads((RECORDINGS / release / f"{number:03d}.json").read_text(encoding="utf-8"))
    try:
        module.Replay(case["version"], executor=case["async executor"]).play(case["exchanges"])
    except Exception:  # noqa: BLE001 - a wrong answer, or a replay that cannot go on after one
        return True
    return False


#: A name for it; the module, what is changed there into what; and the release and the case that notice.
DEVIATIONS = [
    # Texts and statuses
    ("a text", "operations", '"topic is required"', '"Topic is required"', "7.2.0", 1),
    ("an unknown job is forbidden", "operations", "raise not_found(", "raise forbidden(", "7.2.0", 35),
    ("a foreign lock is a bad request", "operations", "raise forbidden(", "raise bad_request(", "7.0.1", 37),
    ("the order of checks", "operations", "if order.retries <= 0", "if order.retries < 0", "7.2.0", 11),
    ("a number of jobs below one", "operations", "if order.tasks < 1:", "if order.tasks < 0:", "6.8.0", 10),
    ("a category", "errors", '"Forbidden"', '"Not allowed"', "7.2.0", 36),
    ("an unknown sort", "query", "is not a valid property", "is no property", "7.2.0", 80),
    # Acquiring
    ("a sibling in the batch", "operations", "if instance.id in locked or (", "if (", "7.2.0", 19),
    (
        "no roll-back of the batch",
        "operations",
        "                    return None\n",
        "                    continue\n",
        "7.2.0",
        19,
    ),
    ("a batch lost in its roll-back", "operations", "core.store.put_back(jobs)", "pass", "7.2.0", 19),
    ("no instance lock", "operations", "job.instance.lock_expiry = expiry", "pass", "7.2.0", 21),
    ("the scope is not looked at", "jobs", "if scope is None else (scope,)", 'if scope != "?" else ()', "7.2.0", 13),
    (
        "locks without overflow",
        "durations",
        "return millis - 2**32 if millis >= 2**31 else millis",
        "return millis",
        "7.2.0",
        98,
    ),
    ("exclusive by default in a case", "core", 'instance.scope == "bpmn" if', "True if", "7.2.0", 111),
    # Finishing
    (
        "the owner is not compared",
        "operations",
        "if job.lock_owner != worker_id:",
        "if not job.lock_owner:",
        "7.2.0",
        37,
    ),
    ("a finished job keeps the instance", "core", "        self.free_instance(job)\n", "", "7.2.0", 21),
    ("variables without out-parameters", "operations", "if not task.out_parameters or", "if True or", "7.2.0", 50),
    ("nothing follows a complete", "core", 'if job.table != "continuation" or', "if True or", "7.2.0", 41),
    ("a BPMN error in a case", "operations", 'if job.instance.scope != "bpmn":', "if False:", "7.2.0", 55),
    ("a termination of a process", "operations", 'if job.instance.scope != "cmmn":', "if False:", "7.2.0", 60),
    (
        "an uncaught error ends the process",
        "flow",
        "raise ContinuationError(_uncaught(",
        "return print(_uncaught(",
        "7.2.0",
        105,
    ),
    (
        "a continuation is never given up",
        "core",
        "            job.retries -= 1\n",
        "            job.retries -= 0\n",
        "7.2.0",
        106,
    ),
    # Failing
    (
        "retries not counted",
        "operations",
        "job.retries - 1 if retries is None",
        "job.retries if retries is None",
        "7.2.0",
        62,
    ),
    ("negative retries taken at their word", "operations", "or retries < 0 else retries", "else retries", "7.2.0", 66),
    ("one attempt more", "operations", "if left <= 0:", "if left < 0:", "7.2.0", 65),
    (
        "the message is not shortened",
        "core",
        'decode("utf-16-le", "surrogatepass") + "..."',
        'decode("utf-16-le", "surrogatepass")',
        "7.2.0",
        68,
    ),
    (
        "no retry time-out",
        "operations",
        "expiry = None if pause is None else core.now + pause",
        "expiry = None",
        "7.2.0",
        67,
    ),
    (
        "a dead letter without its message",
        "core",
        '        job.table = "deadletter"\n',
        '        job.table = "deadletter"\n        job.exception_message = None\n',
        "7.2.0",
        64,
    ),
    (
        "a revived job without new retries",
        "core",
        "        del self.dead_letters[job.id]\n        job.retries = DEFAULT_RETRIES\n",
        "        del self.dead_letters[job.id]\n",
        "7.2.0",
        70,
    ),
    # Resets and releases
    (
        "a reset keeps the owner",
        "jobs",
        "        job.lock_owner = None\n        job.lock_expiry = expiry\n",
        "        job.lock_expiry = expiry\n",
        "7.2.0",
        53,
    ),
    ("a reset without a new id", "releases", "    reset_renews_job_id=True,\n", "", "6.8.0", 53),
    ("no reset", "core", "if self.async_executor:\n            after", "if False:\n            after", "7.0.1", 53),
    (
        "the instance is freed by a release",
        "releases",
        "unacquire_frees_instance: bool = False",
        "unacquire_frees_instance: bool = True",
        "7.0.1",
        76,
    ),
    (
        "a job that leaves the table keeps its lock",
        "jobs",
        "        job.lock_owner = None\n        job.lock_expiry = None\n        job.waiting = False\n",
        "        job.waiting = False\n",
        "6.8.0",
        70,
    ),
    # Variables, queries, HTTP
    (
        "big numbers in an older release",
        "variables",
        "if reader is None or (",
        "if reader is None or False and (",
        "7.0.1",
        42,
    ),
    ("no name", "variables", 'raise bad_request("Variable name is required.")', 'name = ""', "7.2.0", 46),
    (
        "unlocked is locked",
        "query",
        '"unlocked": lambda job: job.lock_expiry is None',
        '"unlocked": lambda job: True',
        "7.2.0",
        83,
    ),
    ("a connection kept after a refusal", "http", "frozenset({400, 408, 500})", "frozenset({408, 500})", "7.2.0", 1),
    ("everything is accepted", "http", "if not _accepts_json(accept):", "if False:", "7.2.0", 91),
]


def test_a_copy_without_a_deviation_is_faithful() -> None:
    """All cases that are meant to notice something have nothing to notice when nothing deviates."""
    with replay(None) as module:
        wrong = [(release, case) for *_, release, case in DEVIATIONS if noticed(module, release, case)]
    assert wrong == []


@pytest.mark.parametrize(
    ("module", "before", "after", "release", "case"), [pytest.param(*rest, id=name) for name, *rest in DEVIATIONS]
)
def test_a_deviation_is_noticed(module: str, before: str, after: str, release: str, case: int) -> None:
    """The recorded case does not come out as on the real engine."""
    with replay(Planted(module, before, after)) as copy:
        assert noticed(copy, release, case)


#: What no recording is about: a name for it; the module, what is changed there into what; and the case that notices.
CASES = [
    # Variables
    (
        "whole numbers too large for their type",
        "variables",
        "return (value + half) % (2 * half) - half\n    if",
        "return value\n    if",
        44,
    ),
    (
        "fractions too large for their type",
        "variables",
        "return (max(-wide, min(whole, wide - 1)) + half) % (2 * half) - half",
        "return whole",
        44,
    ),
    ("a day beyond its month", "dates", "if pattern is _DATE and parts", "if pattern is None and parts", 49),
    # Failing and giving back
    (
        "the message is kept",
        "operations",
        "= shortened(error_message)\n",
        "= shortened(error_message) or job.exception_message\n",
        69,
    ),
    ("the details are cleared", "operations", "if error_details is not None:", "if True:", 69),
    ("no tenant guard", "operations", "if tenant_id and any(", "if False and any(", 75),
    ("no tenant is a tenant", "operations", "if tenant_id and any(", "if tenant_id is not None and any(", 75),
    ("the tenant is not read", "job_api", '        reader.text(asked, "tenantId")\n', "", 73),
    # Requests
    ("another size of pages", "query", '_number("size", asked, 10,', '_number("size", asked, 20,', 79),
    (
        "a boolean is a count",
        "jackson",
        "if isinstance(value, bool):\n            raise self._wrong_type(java",
        "if False:\n            raise self._wrong_type(java",
        96,
    ),
    (
        "half a one too much",
        "jackson",
        "if _INT_MIN <= value <= _INT_MAX:\n                return",
        "if _INT_MIN <= int(value) <= _INT_MAX:\n                return",
        96,
    ),
    ("any JSON is too special", "http", '"application/*+json", ', "", 91),
    ("a zero in a path", "http", "5c|00|", "5c|", 95),
    ("a dot in a path", "http", r"|//|/\.{1,2}(?:/|$)", "|//", 95),
    # Instances
    ("a case with the id of a process", "core", 'if kind == "bpmn" else unique', "if kind else unique", 14),
    ("a text without its parent", "flow", " - parent '", " - '", 33),
    ("a case outlives who waits for it", "core", "self.delete(execution.called)", "pass", 86),
]


def test_the_suite_has_nothing_against_a_copy_without_a_deviation() -> None:
    """All cases that are meant to notice something have nothing to notice when nothing deviates."""
    with conformance(None) as fails:
        wrong = [case for *_, case in CASES if fails("7.2.0", case)]
    assert wrong == []


@pytest.mark.parametrize(("module", "before", "after", "case"), [pytest.param(*rest, id=name) for name, *rest in CASES])
def test_a_deviation_fails_a_case(module: str, before: str, after: str, case: int) -> None:
    """The case of the conformance suite does not pass."""
    with conformance(Planted(module, before, after)) as fails:
        assert fails("7.2.0", case)
