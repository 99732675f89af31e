"""How the parts of writing say that a value cannot be sent."""

from __future__ import annotations


class Refused(Exception):  # noqa: N818 - never leaves this package
    """A value cannot be sent. `write` makes an `InvalidArgumentError` of it.

    Args:
        value: What was refused.
        accepted: What is accepted, as half a sentence.
        path: Where it is within the variable: `['lines'][3]`. Empty: the variable itself.
    """

    def __init__(self, value: object, accepted: str, path: str = "") -> None:
        super().__init__(accepted)
        self.value = value
        self.accepted = accepted
        self.path = path
