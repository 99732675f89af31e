"""What the benchmarks measured: one number each, and the document that holds all of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One number.

    Attributes:
        part: Of the benchmarks, such as `"drain"`.
        scenario: Who did what, such as `"ours, fast"` or `"ceiling"`.
        place: `"engine"`, `"stub"` or `"embedded"`.
        metric: What the number is, with its unit: `"jobs_per_second"`, `"cpu_ms_per_job"`, `"rss_mb"`, `"delay_s"`,
            `"requests_per_minute"`, …
        round: Which round. Only values of the same round are compared with each other.
        value: The number.
        x: What it is drawn against: backlog, concurrency, topics. `None`: nothing.
    """

    part: str
    scenario: str
    place: str
    metric: str
    round: int
    value: float
    x: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """How much a value that should be the same every time was not.

    Attributes:
        name: What it is.
        low: The lower quarter of its values.
        median: Their middle.
        high: The upper quarter.
        spread: `(high - low) / median`. 0.05 is a quiet machine, 0.3 one that does other work.
    """

    name: str
    low: float
    median: float
    high: float
    spread: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Where it was measured, and how calm it was.

    Attributes:
        cores: How many the process may use.
        cpu: Name of the processor.
        python: Its version.
        system: The operating system.
        load_before: Processes that wanted to run in the minute before the run.
        load_after: The same at its end, which includes the run itself.
        noise: Of a fixed loop in one process, and of the ceiling, over the rounds.
        versions: Of what was measured: `{"1.0.2": "1.0.2", "javascript": …}`.
    """

    cores: int
    cpu: str
    python: str
    system: str
    load_before: float
    load_after: float
    noise: Sequence[Noise] = ()
    versions: dict[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """All of a run."""

    machine: Machine
    samples: Sequence[Sample]

    def text(self) -> str:
        """Return it as JSON."""
        about = {"machine": asdict(self.machine), "samples": [_without_none(asdict(each)) for each in self.samples]}
        return json.dumps(about, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def of(cls, text: str) -> Document:
        """Return what `text` was made of. Members that are not known are left out."""
        found = json.loads(text)
        machine = _known(Machine, found["machine"])
        noise = [Noise(**_known(Noise, each)) for each in machine.pop("noise", ())]
        samples = [Sample(**_known(Sample, each)) for each in found["samples"]]
        return cls(machine=Machine(**machine, noise=noise), samples=samples)

    def write(self, path: Path) -> None:
        """Write it to a file, whose folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text(), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Document:
        """Return what is in a file."""
        return cls.of(path.read_text(encoding="utf-8"))


def values(samples: Iterable[Sample], **wanted: object) -> dict[int, float]:
    """Return the values by round of the samples whose attributes are those that are wanted."""
    return {
        each.round: each.value
        for each in samples
        if all(getattr(each, name) == value for name, value in wanted.items())
    }


def _known(kind: type[Any], members: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in members.items() if name in names}


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
