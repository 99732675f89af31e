"""Models of the suite as BPMN and CMMN, for engines that read XML."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from flowable.external_worker_client.testing import Call, Case, Parallel, Process, StartCase, Task, UserTask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flowable.external_worker_client.testing.model import Step

FLOWABLE = {"BPMN": "http://flowable.org/bpmn", "CMMN": "http://flowable.org/cmmn"}
STANDARD = {
    "BPMN": "http://www.omg.org/spec/BPMN/20100524/MODEL",
    "CMMN": "http://www.omg.org/spec/CMMN/20151109/MODEL",
}


def to_xml(model: Process | Case) -> str:
    """Return a model as BPMN or CMMN."""
    kind = "BPMN" if isinstance(model, Process) else "CMMN"
    lines = _process(model) if isinstance(model, Process) else _case(model)
    names = {"xmlns": STANDARD[kind], "xmlns:flowable": FLOWABLE[kind], "targetNamespace": "https://example.org/tests"}
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', *_element("definitions", names, list(lines))])


def _element(name: str, attributes: Mapping[str, str | None], content: Sequence[str] = ()) -> list[str]:
    """Return the lines of an element; attributes that are `None` are left out."""
    opening = name + "".join(f" {key}={quoteattr(value)}" for key, value in attributes.items() if value is not None)
    return [f"<{opening}>", *content, f"</{name}>"] if content else [f"<{opening}/>"]


def _worker_attributes(task: Task) -> dict[str, str | None]:
    return {
        "id": task.id,
        "name": task.name,
        "flowable:type": "external-worker",
        "flowable:topic": task.topic,
        "flowable:exclusive": None if task.exclusive is None else str(task.exclusive).lower(),
        "flowable:doNotIncludeVariables": None if task.include_variables else "true",
    }


# ---------------------------------------------------------------- processes


def _process(process: Process) -> Iterator[str]:
    codes = process.handled_codes - {None}
    ids = {code: name for name, code in process.error_ids.items()}
    for code in sorted(filter(None, codes)):
        yield from _element("error", {"id": ids[code], "errorCode": code})
    writer = _Writer(ids)
    start = writer.add("startEvent", {"id": "start"}, after=None)
    last = writer.sequence(process.steps, start)
    writer.add("endEvent", {"id": "end"}, after=last)
    yield from _element("process", {"id": process.key, "isExecutable": "true"}, writer.lines)


class _Writer:
    """Writes the elements of a process and the flows between them."""

    def __init__(self, error_ids: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._error_ids = error_ids

    def add(
        self, name: str, attributes: Mapping[str, str | None], content: Sequence[str] = (), *, after: str | None
    ) -> str:
        """Write an element and the flow that leads to it; return its id."""
        self.lines += _element(name, attributes, content)
        element = str(attributes["id"])
        if after is not None:
            self.flow(after, element)
        return element

    def flow(self, source: str, target: str) -> None:
        """Write a flow."""
        self.lines += _element(
            "sequenceFlow", {"id": f"{source}-to-{target}", "sourceRef": source, "targetRef": target}
        )

    def sequence(self, steps: Sequence[Step], after: str) -> str:
        """Write steps one after the other; return the id of the last element."""
        for step in steps:
            after = self.step(step, after)
        return after

    def step(self, step: Step, after: str) -> str:
        """Write a step."""
        match step:
            case Task():
                return self.task(step, after)
            case UserTask():
                return self.add("userTask", {"id": step.id}, after=after)
            case Parallel():
                fork = self.add("parallelGateway", {"id": step.id}, after=after)
                ends = [self.sequence(branch, fork) for branch in step.branches]
                join = self.add("parallelGateway", {"id": f"{step.id}-join"}, after=None)
                for end in ends:
                    self.flow(end, join)
                return join
            case Call(function=str() as expression):
                return self.add("serviceTask", {"id": step.id, "flowable:expression": expression}, after=after)
            case StartCase():
                attributes = {"id": step.id, "flowable:type": "case", "flowable:caseDefinitionKey": step.case}
                return self.add("serviceTask", attributes, after=after)
            case _:
                raise ValueError(f"step: {step!r} has no BPMN here")

    def task(self, task: Task, after: str) -> str:
        """Write an external worker task with its boundary events."""
        parameters: list[str] = []
        for kind, found in (("In", task.in_parameters), ("Out", task.out_parameters)):
            for each in found:
                attributes = {"source": each.source, "sourceExpression": each.expression, "target": each.target}
                parameters += _element(f"flowable:externalWorker{kind}Parameter", attributes)
        content = _element("extensionElements", {}, parameters) if parameters else []
        if task.instances > 1:
            cardinality = [f"<loopCardinality>{task.instances}</loopCardinality>"]
            content += _element("multiInstanceLoopCharacteristics", {"isSequential": "false"}, cardinality)
        element = self.add("serviceTask", _worker_attributes(task), content, after=after)
        for code, steps in task.on_error.items():
            event = f"{task.id}-catches-{code or 'any'}"
            reference = {"errorRef": None if code is None else self._error_ids[code]}
            self.add(
                "boundaryEvent",
                {"id": event, "attachedToRef": task.id},
                _element("errorEventDefinition", reference),
                after=None,
            )
            self.sequence(steps, event)
        return element


# ---------------------------------------------------------------- cases


def _case(case: Case) -> Iterator[str]:
    plan: list[str] = []
    sentries: list[str] = []
    definitions: list[str] = []
    for item in case.items:
        criterion: list[str] = []
        if item.entry is not None:
            criterion = _element("entryCriterion", {"id": f"entry-{item.id}", "sentryRef": f"sentry-{item.id}"})
            part = {"id": f"part-{item.id}", "sourceRef": f"item-{item.entry.source}"}
            event = [f"<standardEvent>{item.entry.event}</standardEvent>"]
            sentries += _element("sentry", {"id": f"sentry-{item.id}"}, _element("planItemOnPart", part, event))
        plan += _element("planItem", {"id": f"item-{item.id}", "definitionRef": item.id}, criterion)
        if isinstance(item, Task):
            definitions += _element("task", _worker_attributes(item))
        else:
            definitions += _element("humanTask", {"id": item.id})
    content = _element("casePlanModel", {"id": "plan"}, [*plan, *sentries, *definitions])
    yield from _element("case", {"id": case.key}, content)
