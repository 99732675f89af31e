"""The processes of model files, for the embedded engine: what the examples need of BPMN, and no more."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from flowable.external_worker_client.testing import End, Parallel, Process, Task, UserTask
from flowable.external_worker_client.testing.model import Step

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
FLOWABLE = "{http://flowable.org/bpmn}"


class ModelFile:
    """A process of service tasks in a row or beside each other, with errors on their borders.

    Args:
        path: Of the file, which is part of this repository.
    """

    def __init__(self, path: Path) -> None:
        definitions = ET.parse(path).getroot()  # noqa: S314 - our own
        found = definitions.find(f"{BPMN}process")
        if found is None:
            raise ValueError(f"{path}: no process")
        self._elements = {each.get("id", ""): each for each in found}
        self._codes = {each.get("id", ""): each.get("errorCode", "") for each in definitions.iter(f"{BPMN}error")}
        self.key = found.get("id", "")
        self.topics = {topic for each in found if (topic := each.get(f"{FLOWABLE}topic"))}
        (start,) = found.iter(f"{BPMN}startEvent")
        steps, _ = self._from(self._after(start)[0])
        self.process = Process(self.key, *steps)

    def _after(self, element: ET.Element) -> list[ET.Element]:
        flows = [each for each in self._elements.values() if each.get("sourceRef") == element.get("id")]
        return [self._elements[flow.get("targetRef", "")] for flow in flows]

    def _from(self, element: ET.Element) -> tuple[list[Step], ET.Element | None]:
        """Return the steps from an element on, and the gateway that they end at, if they do."""
        steps: list[Step] = []
        current: ET.Element | None = element
        while current is not None:
            name = current.get("id", "")
            match current.tag.removeprefix(BPMN):
                case "serviceTask":
                    topic = current.get(f"{FLOWABLE}topic", "")
                    exclusive = current.get(f"{FLOWABLE}exclusive") != "false"
                    steps.append(Task(name, topic, exclusive=exclusive, on_error=self._errors(name)))
                case "userTask":
                    steps.append(UserTask(name))
                case "endEvent":
                    return [*steps, End(name)], None
                case "parallelGateway" if len(self._after(current)) > 1:
                    branches = [self._from(branch) for branch in self._after(current)]
                    steps.append(Parallel(*(branch for branch, _ in branches)))
                    current = branches[0][1]
                    if current is None:
                        return steps, None
                case "parallelGateway":
                    return steps, current
                case other:
                    raise ValueError(f"{other} {name}: not known here")
            current = next(iter(self._after(current)), None)
        return steps, None

    def _errors(self, task: str) -> dict[str, list[Step]]:
        found: dict[str, list[Step]] = {}
        for each in self._elements.values():
            if each.get("attachedToRef") == task:
                (definition,) = each.iter(f"{BPMN}errorEventDefinition")
                found[self._codes[definition.get("errorRef", "")]] = self._from(self._after(each)[0])[0]
        return found
