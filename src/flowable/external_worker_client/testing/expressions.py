"""The small part of the engine's expression language that process models of tests need.

`${name}`, arithmetic, comparisons and literals. A name that is not set, or a property of something, fails with the
engine's text. Whole numbers stay whole: the engine computes with 64-bit numbers, so a sum of integers is a `long`.
"""

from __future__ import annotations

import ast
import operator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from flowable.external_worker_client.testing.variables import NULL, Value, from_python, to_python

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["ExpressionError", "evaluate"]

_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda left, right: left / right,
    ast.Mod: operator.mod,
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_LITERALS: Final = {"true": True, "false": False, "null": None}


class ExpressionError(Exception):
    """An expression could not be evaluated. Its text is the engine's, without the place."""


@lru_cache(maxsize=256)
def _parse(text: str) -> ast.expr:
    if not (text.startswith("${") and text.endswith("}")):
        raise ValueError(
            f"expression: {text!r} is not accepted; write ${{…}} with names, numbers, + - * / % and comparisons"
        )
    try:
        return ast.parse(text[2:-1].strip(), mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"expression: {text!r} cannot be read: {error}") from error


def evaluate(text: str, variables: Mapping[str, Value]) -> Value:
    """Evaluate an expression such as `${a + b}`.

    Args:
        text: The expression.
        variables: What names stand for.

    Returns:
        The result. A variable by itself keeps its type; the result of a computation with whole numbers is a `long`.

    Raises:
        ExpressionError: If a name is not set, or a property is asked for.
        ValueError: If the text is no expression that is understood here.
    """
    body = _parse(text)
    if isinstance(body, ast.Name) and body.id in variables:
        return variables[body.id]
    result = _Evaluation(text, variables).value(body)
    if isinstance(result, int) and not isinstance(result, bool):
        return Value("long", result)
    return NULL if result is None else from_python(result)


class _Evaluation:
    def __init__(self, text: str, variables: Mapping[str, Value]) -> None:
        self._text = text
        self._variables = variables

    def value(self, node: ast.expr) -> Any:  # noqa: ANN401 - whatever the variables hold
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                if name in _LITERALS:
                    return _LITERALS[name]
                if name in self._variables:
                    return to_python(self._variables[name])
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                return _BINARY[type(op)](self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                return _COMPARE[type(op)](self.value(left), self.value(right))
            case ast.Attribute(value=owner, attr=name):
                held = self.value(owner)
                if isinstance(held, dict) and name in held:
                    return held[name]  # pyright: ignore[reportUnknownVariableType] - JSON
            case _:
                raise ValueError(f"expression: {self._text!r} is more than this engine understands")
        raise ExpressionError(f"Unknown property used in expression: {self._text}")
