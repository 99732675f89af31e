"""Copies of model files that share an engine with other tests: with ids and topics of their own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLACES = (ROOT / "examples" / "models", ROOT / "tests" / "models")

# What must differ between tests: the process or case, whoever refers to it, and the topics.
_OWN = re.compile(
    r"""(<(?:process|case)\s+id=|\bflowable:topic=|\bflowable:caseDefinitionKey=|<bpmndi:BPMNPlane[^>]*\bbpmnElement=)"([^"]+)\""""
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model for one test alone.

    Attributes:
        text: The XML to deploy.
        key: The id of the process or case.
        suffix: What was added to the ids and topics of the file.
    """

    text: str
    key: str
    suffix: str

    def topic(self, name: str) -> str:
        """Return what a topic of the file is called in this copy."""
        topic = f"{name}-{self.suffix}"
        if f'flowable:topic="{topic}"' not in self.text:
            raise KeyError(f"no topic {name!r} in this model")
        return topic


def copy_of(file_name: str, suffix: str) -> Model:
    """Return a copy of a file of examples/models or tests/models in which ids and topics end in `-suffix`."""
    path = next((place / file_name for place in PLACES if (place / file_name).is_file()), None)
    if path is None:
        raise FileNotFoundError(f"{file_name} is in none of {', '.join(map(str, PLACES))}")
    text = _OWN.sub(rf'\1"\2-{suffix}"', path.read_text(encoding="utf-8"))
    found = re.search(r'<(?:process|case)\s+id="([^"]+)"', text)
    if found is None:
        raise ValueError(f"{file_name} has neither a process nor a case")
    return Model(text, found[1], suffix)
