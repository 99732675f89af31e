"""The log, as the shells use it: it tells, and never gets in the way."""

from __future__ import annotations

import logging
from contextlib import suppress
from traceback import walk_tb

from flowable.external_worker_client.errors import InvalidArgumentError

#: What the names of this library's modules begin with.
_OURS = f"{__name__.partition('.runtime.')[0]}."


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
            error: An exception whose trace is logged with it, unless this library refused something by itself: its text
                says all, and the trace leads through nobody's code but ours. `None`: none.
            **facts: Attributes of the record: `topic`, `job_id`, `correlation_id`.
        """
        with suppress(BaseException):
            trace = None if isinstance(error, InvalidArgumentError) and _ours_alone(error) else error
            self._logger.log(level, message, *args, exc_info=trace, extra=facts, stacklevel=2)


def _ours_alone(error: BaseException) -> bool:
    """Say whether an exception was raised by this library, and came through no other code."""
    return all(str(frame.f_globals.get("__name__")).startswith(_OURS) for frame, _ in walk_tb(error.__traceback__))
