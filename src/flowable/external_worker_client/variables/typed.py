"""A value with the engine's type that it is to have."""

from __future__ import annotations

from dataclasses import dataclass

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.variables.table import WRITABLE


@dataclass(frozen=True, slots=True)
class Typed:
    """A value that insists on a type: `Typed(5, "short")`.

    The value must fit: it is checked when it is written. `None` is a null, whatever the type.

    Attributes:
        value: The value.
        type: The engine's name of the type: one of `TYPES` that can be sent.

    Raises:
        InvalidArgumentError: There is no such type.
    """

    value: object
    type: str

    def __post_init__(self) -> None:
        """Refuse a type that there is not, where it was written."""
        if self.type not in WRITABLE:
            raise InvalidArgumentError("type", self.type, f"one of {', '.join(WRITABLE)}")
