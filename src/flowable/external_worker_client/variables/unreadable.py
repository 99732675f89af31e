"""Variables whose content a worker cannot have, as something that cannot be taken for a value."""

from __future__ import annotations

from typing import Final, NoReturn

from flowable.external_worker_client.errors import UnreadableVariableError


class Unreadable:
    """A variable that is there, and whose content is not.

    The engine does not give byte arrays, Java objects and UUIDs to workers: it shows them as null. In place of a
    `None`, which would look like an answer, there is this. Whatever is done with it (a comparison, a condition, a loop,
    an attribute, arithmetic) raises `UnreadableVariableError`, which names the variable. `is`, `isinstance`, `repr`,
    `str` and passing it on are allowed.

    Args:
        name: Of the variable.
        type: The engine's name of its type.
        reason: Why it cannot be read, as half a sentence. `None`: because this API does not give the content.

    Attributes:
        name: As given.
        type: As given.
        reason: As given.
    """

    __slots__ = ("name", "reason", "type")

    name: str
    type: str | None
    reason: str | None

    def __init__(self, name: str, type: str | None, reason: str | None = None) -> None:  # noqa: A002 - the wire's word
        self.name = name
        self.type = type
        self.reason = reason

    def error(self) -> UnreadableVariableError:
        """Return what is raised when it is touched."""
        return UnreadableVariableError(self.name, self.type, self.reason)

    def __getattr__(self, attribute: str) -> NoReturn:
        """Only for names that it does not have."""
        # Those are how Python and libraries ask what an object can do: it cannot.
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise self.error()

    def __reduce__(self) -> tuple[object, ...]:
        """Make copies and pickles without touching it."""
        return Unreadable, (self.name, self.type, self.reason)

    def __format__(self, _how: str, /) -> str:
        """Show it, whatever the format."""
        return repr(self)

    def __repr__(self) -> str:
        """Name it."""
        return f"<unreadable variable {self.name!r} of type {self.type}>"


_TOUCHING: Final = (
    *("eq", "ne", "lt", "le", "gt", "ge", "hash", "bool"),
    *("len", "iter", "contains", "getitem", "setitem", "delitem", "reversed", "call"),
    *("int", "float", "complex", "index", "round", "trunc", "floor", "ceil", "bytes", "fspath"),
    *("neg", "pos", "abs", "invert"),
    *("add", "sub", "mul", "matmul", "truediv", "floordiv", "mod", "divmod", "pow", "lshift", "rshift"),
    *("and", "or", "xor"),
    *("radd", "rsub", "rmul", "rmatmul", "rtruediv", "rfloordiv", "rmod", "rdivmod", "rpow", "rlshift", "rrshift"),
    *("rand", "ror", "rxor"),
)


def _touched(self: Unreadable, *_: object) -> NoReturn:
    raise self.error()


for _name in _TOUCHING:
    setattr(Unreadable, f"__{_name}__", _touched)
