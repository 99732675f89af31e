"""The log, as the shells use it: it tells, and never gets in the way."""

from __future__ import annotations

import logging
from contextlib import suppress


class Log:
    """A logger that does not raise.

    A handler of the person's that fails (a full disk, a log server that is away) must not cost a job or end a
    subscription.

    Args:
        name: Name of the logger: `__name__` of the module.
    """

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def says(self, level: int) -> bool:
        """Say whether anybody listens to messages of a level, for whoever would make them in vain."""
        try:
            return self._logger.isEnabledFor(level)
        except BaseException:  # noqa: BLE001 - a logger of the person's own
            return False

    def say(self, level: int, message: str, *args: object, error: BaseException | None = None, **facts: object) -> None:
        """Log a message.

        Args:
            level: Of `logging`.
            message: With `%` placeholders.
            *args: What goes into them.
            error: An exception whose trace is logged with it. `None`: none.
            **facts: Attributes of the record: `topic`, `job_id`, `correlation_id`.
        """
        with suppress(BaseException):
            self._logger.log(level, message, *args, exc_info=error, extra=facts, stacklevel=2)
