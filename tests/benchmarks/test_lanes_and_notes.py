"""Something done again and again at random moments, and programs that note when they are called."""

from __future__ import annotations

import sys
import threading
import time
import xml.etree.ElementTree as ET

import pytest
from side_by_side.lanes import Done, Lanes, repeat
from side_by_side.notes import Noting, model
from side_by_side.places import BenchmarkError

PROGRAM = """
import json, sys
for number, (topic,) in enumerate(json.loads(sys.argv[-1])):
    print(f"{number}.5 {topic} instance", flush=True)
print("9 ready None", flush=True)
sys.stdin.read()
"""


def test_every_lane_runs_at_least_once() -> None:
    """Also when there is no time: what a scene promises are figures of all of its lanes."""
    found = repeat({"a": Lanes([lambda: 1, lambda: 2], (0.0, 0.0)), "b": Lanes([lambda: 3], (0.0, 0.01))}, 0.0)
    assert found == {"a": Done([1, 2], 0), "b": Done([3], 0)}


def test_lanes_run_at_the_same_time() -> None:
    """Three episodes that wait for each other come to an end."""
    together = threading.Barrier(3, timeout=10)
    found = repeat({name: Lanes([lambda: together.wait() >= 0], (0.0, 0.0)) for name in "abc"}, 0.0)
    assert found == {name: Done([True], 0) for name in "abc"}


def test_what_has_begun_is_finished() -> None:
    """Leaving out what takes longer than there is time would make everything look faster."""
    calls = iter([0.0, 0.2])
    ends = time.monotonic() + 0.05

    def episode() -> float:
        pause = next(calls)
        time.sleep(pause)
        return pause

    found = repeat({"a": Lanes([episode], (0.0, 0.0))}, ends - time.monotonic())
    assert found == {"a": Done([0.0, 0.2], 0)}


def test_what_an_episode_raises_is_raised() -> None:
    """And the other lanes begin nothing more."""

    def bad() -> None:
        raise TimeoutError("not picked up")

    with pytest.raises(TimeoutError, match="not picked up"):
        repeat({"a": Lanes([bad], (0.0, 0.0)), "b": Lanes([lambda: None], (0.0, 0.01))}, 3600)


def test_a_client_that_has_stopped_working_costs_its_own_lane_only() -> None:
    """What came to nothing is counted, and not left out in silence."""

    def dead() -> int:
        raise BenchmarkError("not picked up")

    found = repeat({"a": Lanes([dead, lambda: 1], (0.0, 0.0)), "b": Lanes([lambda: 2], (0.0, 0.0))}, 0.0)
    assert found == {"a": Done([1], 1), "b": Done([2], 0)}


def test_notes_are_read_by_process_instance() -> None:
    """In the order in which they came; what does not come in time says how many came."""
    with Noting([sys.executable, "-c", PROGRAM], [["first"], ["second"]]) as noting:
        assert [(each.at, each.topic) for each in noting.wait_for("instance", 2, 10)] == [
            (0.5, "first"),
            (1.5, "second"),
        ]
        with pytest.raises(BenchmarkError, match="2 of 3 handlers"):
            noting.wait_for("instance", 3, 0.01)


def test_a_program_that_does_not_start_is_told() -> None:
    """At once, and not after a minute without a note."""
    with (
        pytest.raises(BenchmarkError, match="is not at work"),
        Noting([sys.executable, "-c", "raise SystemExit"], [[]]),
    ):
        pass


def test_the_model_is_a_row_of_tasks() -> None:
    """With the topics in order, and each task followed by the next."""
    elements = list(ET.fromstring(model("chain", ["a", "b"])).iter())  # noqa: S314 - our own text
    topics = [each.get("{http://flowable.org/bpmn}topic") for each in elements if each.tag.endswith("serviceTask")]
    flows = {each.get("sourceRef"): each.get("targetRef") for each in elements if each.tag.endswith("sequenceFlow")}
    assert topics == ["a", "b"]
    assert flows == {"start": "task1", "task1": "task2", "task2": "end"}
