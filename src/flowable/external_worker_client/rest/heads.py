"""Heads of requests as bytes, and usual answers from bytes: what `http.client` does in general, done for what is usual.

Pure. Whatever is not usual is refused here, with `None` or `Unusual`, and is then done by requests, urllib3 and
`http.client` as ever. What is accepted gives exactly what these give.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from flowable.external_worker_client.rest.transport import Response

#: Bytes asked for at a time.
PIECE = 65_536

#: The answer to requests of another kind would have no body.
METHODS = frozenset({"GET", "POST"})

_TOKEN = r"[!#-'*+\-.0-9A-Z^-z|~]"  # noqa: S105 - characters of a header's name
_FIELDS = re.compile(rf"(?:{_TOKEN}++: [\t -~]*+\r\n)*+")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_SKIPPED = "@@@SKIP_HEADER@@@"  # what urllib3 takes for "leave this header out"

# Unreserved characters that are escaped would be unescaped, and segments of dots taken away.
_ESCAPE = r"%(?:[01389A-F][0-9A-F]|2[0-9A-CF]|[46]0|5[B-E]|7[B-DF])"
_SEGMENT = rf"/(?!\.{{1,2}}(?:[/?]|$))(?:[A-Za-z0-9_.~:-]|{_ESCAPE})*+"
_PATH = re.compile(rf"(?:{_SEGMENT})++(?:\?(?:[A-Za-z0-9_.~:=&-]|{_ESCAPE})++)?")

_HEAD = re.compile(
    rb"HTTP/1\.1 ([24-9][0-9]{2})(?: [\t -~]*+)?\r\n((?:%b++:[\t -~]*+\r\n)*+)\r\n" % _TOKEN.encode("ascii")
)
_MOST_BYTES, _MOST_FIELDS = 65_536, 100  # in a head: those of http.client
_LENGTH = re.compile(r"[0-9]{1,12}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_PART_OF_CHUNK = re.compile(rb"[0-9A-Fa-f]{0,8}\r?")
_TIMEOUT = re.compile(r"(?:^|[ ,])timeout=([0-9]{1,6})(?:[ ,]|$)")
_ONCE = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
_ELSEWHERE = frozenset({"content-encoding", "location", "set-cookie", "set-cookie2"})
_NO_CONTENT = 204


class Unusual(Exception):  # noqa: N818 - never seen by people
    """An answer that is to be read by `http.client`."""


def usual_path(path: str) -> bool:
    """Say whether requests and urllib3 leave path and query exactly as they are."""
    return _PATH.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The head of requests that differ in their target and the length of their body.

    Attributes:
        method: HTTP method, with the blank behind it.
        fields: What follows the target, up to the length.
        rest: What follows the length. `None`: there is no length, because there is no body.
    """

    method: bytes
    fields: bytes
    rest: bytes | None

    def of(self, target: str, body: bytes | None) -> bytes:
        """Return the head of one request, for a usual path and a body if there is to be one."""
        if self.rest is None:
            return b"%b%b%b" % (self.method, target.encode("ascii"), self.fields)
        return b"%b%b%b%d%b" % (self.method, target.encode("ascii"), self.fields, len(body or b""), self.rest)


def request_head(
    method: str, host: str, port: int | None, headers: Iterable[tuple[object, object]], *, body: bool
) -> RequestHead | None:
    """Return what urllib3 and `http.client` send, in their order.

    Args:
        method: HTTP method.
        host: Name or IPv4 address of the server.
        port: Its port. `None`: the usual one of the scheme, which is not sent.
        headers: As they are given to urllib3.
        body: Whether there is one. Its length is among the headers then.

    Returns:
        The head. `None`: there is something unusual about it.
    """
    fields = list(headers)
    names = {name.lower() for name, _ in fields if isinstance(name, str)}
    if (
        method not in METHODS
        or len(names) != len(fields)
        or any(not isinstance(value, str) or value == _SKIPPED for _, value in fields)
        or "user-agent" not in names
        or "transfer-encoding" in names
        or ("content-length" in names) is not body
    ):
        return None
    start = ""
    if "host" not in names:
        if not _HOST.fullmatch(host):
            return None
        start = f"Host: {host}\r\n" if port is None else f"Host: {host}:{port}\r\n"
    if "accept-encoding" not in names:
        start += "Accept-Encoding: identity\r\n"
    parts = [f" HTTP/1.1\r\n{start}", ""]
    checked = start
    behind = 0
    for name, value in fields:
        checked += f"{name}: {value}\r\n"
        if body and str(name).lower() == "content-length":
            parts[0] += f"{name}: "
            parts[1] = "\r\n"
            behind = 1
        else:
            parts[behind] += f"{name}: {value}\r\n"
    # The second: a line break in a value would make a field of its own.
    if not _FIELDS.fullmatch(checked) or checked.count("\r\n") != start.count("\r\n") + len(fields):
        return None
    parts[behind] += "\r\n"
    before, after = (part.encode("ascii") for part in parts)
    return RequestHead(f"{method} ".encode("ascii"), before, after if body else None)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, and what it says of its connection.

    Attributes:
        response: The answer.
        closes: Whether the connection ends with it.
        timeout: Seconds for which the server says that it keeps the connection. `None`: it does not say.
    """

    response: Response
    closes: bool
    timeout: int | None


def read_answer(receive: Callable[[int], bytes], received: list[bytes]) -> Answer:
    """Read an answer to a GET or POST. Never waits for a byte that `http.client` would not wait for.

    Args:
        receive: Returns what comes next, at most so many bytes; nothing at the end of the connection.
        received: Takes all that was received, also when this raises.

    Raises:
        Unusual: Let `http.client` read it from the beginning.
        OSError: What `receive` raised.
    """
    data = receive(PIECE)
    received.append(data)
    # A head that comes in parts is seldom enough to be left to others.
    head = _HEAD.match(data)
    if head is None or head.end() > _MOST_BYTES:
        raise Unusual
    status = int(head[1])
    headers = _headers(head[2].decode("ascii"))
    begin = head.end()
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None or status == _NO_CONTENT:
            raise Unusual
        body = _chunked(data, begin, receive, received)
    elif status == _NO_CONTENT or length == "0":
        if length not in (None, "0") or len(data) > begin:
            raise Unusual
        body = b""
    elif length is None or not _LENGTH.fullmatch(length):
        raise Unusual
    else:
        body = _counted(data[begin:], int(length), receive, received)
    timeout = _TIMEOUT.search(headers.get("keep-alive", ""))
    closes = "close" in headers.get("connection", "").lower()
    return Answer(Response(status, headers, body), closes, int(timeout[1]) if timeout else None)


def _headers(text: str) -> dict[str, str]:
    headers: dict[str, str] = {}
    lines = text.split("\r\n")
    if len(lines) > _MOST_FIELDS:
        raise Unusual
    del lines[-1]
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.lstrip(" \t")
        if name in headers:
            if name in _ONCE:
                raise Unusual
            value = f"{headers[name]}, {value}"
        headers[name] = value
    if not _ELSEWHERE.isdisjoint(headers):
        raise Unusual
    return headers


def _counted(data: bytes, length: int, receive: Callable[[int], bytes], received: list[bytes]) -> bytes:
    parts = [data]
    missing = length - len(data)
    while missing > 0:
        data = receive(max(PIECE, min(missing, 16 * PIECE)))
        received.append(data)
        if not data:
            raise Unusual
        parts.append(data)
        missing -= len(data)
    if missing:
        # More than was announced.
        raise Unusual
    return b"".join(parts)


def _chunked(begun: bytes, begin: int, receive: Callable[[int], bytes], received: list[bytes]) -> bytes:
    data: bytes | bytearray = begun
    parts: list[bytes] = []
    while True:
        end = 0
        chunk = _CHUNK.match(data, begin)
        if chunk is not None:
            size = int(chunk[1], 16)
            end = chunk.end() + size + 2
            if len(data) >= end:
                if data[end - 2 : end] != b"\r\n" or (not size and len(data) > end):
                    raise Unusual
                if not size:
                    return b"".join(parts)
                parts.append(bytes(data[chunk.end() : end - 2]))
                begin = end
                continue
            if len(data) == end - 1 and data[-1:] != b"\r":
                raise Unusual
        elif not _PART_OF_CHUNK.fullmatch(data, begin):
            raise Unusual
        more = receive(max(PIECE, min(end - len(data), 16 * PIECE)))
        received.append(more)
        if not more:
            raise Unusual
        if isinstance(data, bytes):
            data = bytearray(data)
        del data[:begin]
        begin = 0
        data += more
