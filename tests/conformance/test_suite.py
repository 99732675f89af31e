"""The suite itself: it is complete, and it notices deviations."""

from __future__ import annotations

import inspect
import sys
from types import FunctionType, ModuleType
from typing import Any

import pytest
from tests.conformance.embedded import EmbeddedUnderTest
from tests.conformance.scene import Scene
from tests.conformance.suite import CASES, RELEASES, cases_of

from flowable.external_worker_client.testing import core, http, operations, query, variables

PACKAGE = operations.__name__.rpartition(".")[0]
NUMBERS = list(range(1, 121))


def test_every_number_has_a_case() -> None:
    """The cases are numbered from 1 to 120, and none is missing."""
    assert sorted(CASES) == NUMBERS


def test_what_a_release_leaves_out_is_what_it_does_not_have() -> None:
    """Giving back came with 7.0, parameters with 7.1, big numbers with 7.2; one case is about the time before 7.0."""
    left_out = {release: sorted({*NUMBERS} - {case.number for case in cases_of(release)}) for release in RELEASES}
    assert left_out == {"7.2.0": [77], "7.0.1": [33, 48, 77], "6.8.0": [33, 48, 72, 73, 74, 75, 76, 116]}


def test_every_case_says_what_it_is_about() -> None:
    """By a name of its own and a docstring."""
    assert all(case.play.__doc__ for case in CASES.values())
    assert len({case.play.__name__ for case in CASES.values()}) == len(CASES)


# ---------------------------------------------------------------- deviations


def plant(monkeypatch: pytest.MonkeyPatch, module: ModuleType, before: str, after: str) -> None:
    """Change a line in a module of the embedded engine, as a slip of the pen would.

    The module is compiled again with the changed line, and its functions and methods take the places of the old ones.
    Its classes stay, so that values know each other.
    """
    source = inspect.getsource(module)
    assert source.count(before) == 1, f"{before!r} is {source.count(before)} times in {module.__name__}"
    changed: dict[str, Any] = {"__name__": module.__name__, "__file__": module.__file__}
    exec(compile(source.replace(before, after), str(module.__file__), "exec"), changed)  # noqa: S102  # our own code
    others = [found for name, found in sys.modules.items() if name.startswith(PACKAGE)]
    for name, old in vars(module).copy().items():
        if getattr(old, "__module__", None) != module.__name__:
            continue
        if isinstance(old, FunctionType):
            for other in others:
                if vars(other).get(name) is old:
                    monkeypatch.setattr(other, name, changed[name])
        elif isinstance(old, type):
            new, changed[name] = changed[name], old
            for method, function in vars(old).copy().items():
                if isinstance(function, FunctionType):
                    monkeypatch.setattr(old, method, vars(new)[method])


#: What is changed, where, into what, and the number of the case that has to notice; last the release.
DEVIATIONS = [
    pytest.param(operations, "does not hold a lock on the", "holds no lock on the", 36, "7.2.0", id="an-error-text"),
    pytest.param(operations, "raise forbidden(", "raise bad_request(", 37, "7.2.0", id="a-status"),
    pytest.param(operations, "if instance.id in locked or (", "if (", 19, "7.2.0", id="two-exclusive-siblings"),
    pytest.param(operations, "    return None\n    ", "    continue\n    ", 20, "7.2.0", id="a-batch-not-rolled-back"),
    pytest.param(operations, "core.store.put_back(jobs)", "pass", 19, "7.2.0", id="a-batch-lost-in-its-roll-back"),
    pytest.param(operations, "if job.lock_owner != worker_id:", "if False:", 37, "6.8.0", id="no-check-of-the-owner"),
    pytest.param(operations, "if error_details is not None:", "if True:", 118, "7.2.0", id="details-forgotten"),
    pytest.param(core, "self.store.rename(job, self.new_id())", "pass", 53, "6.8.0", id="the-id-of-a-later-release"),
    pytest.param(core, "job.lock_expiry != expiry", "job.lock_expiry == expiry", 63, "7.0.1", id="locks-never-reset"),
    pytest.param(http, "frozenset({400, 408, 500})", "frozenset({400, 408})", 85, "7.2.0", id="a-connection-kept"),
    pytest.param(query, "job.exception_message is not None or ", "", 107, "7.2.0", id="half-a-filter"),
    pytest.param(variables, "Converter can only convert strings", "No string", 43, "7.0.1", id="a-converter"),
]


@pytest.mark.parametrize(("module", "before", "after", "number", "release"), DEVIATIONS)
def test_a_deviation_makes_a_case_fail(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, before: str, after: str, number: int, release: str
) -> None:
    """A case that holds on the embedded engine does not hold once the engine does something else."""
    case = CASES[number]
    case.play(Scene(EmbeddedUnderTest(release, executor=case.executor)))
    plant(monkeypatch, module, before, after)
    with pytest.raises(AssertionError):
        case.play(Scene(EmbeddedUnderTest(release, executor=case.executor)))
