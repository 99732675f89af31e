"""One variable on the wire."""

from __future__ import annotations

from flowable.external_worker_client.errors import shorten


class EngineRestVariable:
    """A process or case variable, as the engine's REST API shows and takes it.

    Mutable, and equal only to itself, as in version 1.

    Attributes:
        name: Its name in the process or case.
        type: The engine's name of its type, such as `"string"`, `"integer"`, `"json"`. `None`: the engine named none,
            as for a null value; when sending, the engine then guesses, and makes objects and lists unreadable.
        value: The JSON value. `None` also for `"binary"` and `"serializable"`, whose content this API does not give.
        value_url: Not used by this API. Always `None` when the engine sent the variable.
    """

    def __init__(self, name: str, type: str | None, value: object, value_url: str | None = None) -> None:
        self.name = name
        self.type = type
        self.value = value
        self.value_url = value_url

    def __repr__(self) -> str:
        """Show name, type and value, the value shortened."""
        return f"EngineRestVariable(name={self.name!r}, type={self.type!r}, value={shorten(self.value)})"
