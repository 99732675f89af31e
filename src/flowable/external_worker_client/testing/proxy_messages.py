"""HTTP/1.1 messages on a socket, for the fault proxy: read whole, kept byte for byte, taken apart as far as needed.

Nothing here decides anything. Heads are passed on as they came, spelling and order included; bodies are known both as
they came (with the sizes of their chunks) and as what they contain.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import cached_property
from typing import Final

__all__ = ["BODILESS", "LAST_CHUNK", "EndedError", "Head", "Message", "Stream", "chunked", "counted"]

_HEAD_LIMIT: Final = 65_536  # bytes; servers take 8 KiB
_PIECE: Final = 65_536  # bytes read at once
#: Statuses whose answers have no body.
BODILESS: Final = frozenset({204, 304})
#: The end of a body in chunks.
LAST_CHUNK: Final = b"0\r\n\r\n"


class EndedError(Exception):
    """The other side ended the connection, or sent what is no HTTP.

    Attributes:
        partial: What had come of the message.
    """

    def __init__(self, partial: bytes) -> None:
        super().__init__(f"the connection ended after {len(partial)} bytes of a message")
        self.partial = partial


@dataclass(frozen=True)
class Head:
    """The first line of a message and its headers.

    Attributes:
        raw: As it came, with the empty line at its end.
    """

    raw: bytes

    @cached_property
    def first(self) -> list[str]:
        """The parts of the first line: method, target and version; or version, status and reason."""
        return self.raw.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)

    @cached_property
    def headers(self) -> list[tuple[str, str]]:
        """Names in lower case, and values."""
        lines = self.raw.decode("latin-1").split("\r\n")[1:-2]
        pairs = (line.partition(":") for line in lines)
        return [(name.strip().lower(), value.strip()) for name, _, value in pairs]

    def get(self, name: str) -> str:
        """Return a header in lower case, all its values joined; empty if there is none."""
        return ", ".join(value for found, value in self.headers if found == name).lower()

    @property
    def status(self) -> int:
        """Of an answer; 0 if this is none."""
        status = self.first[1] if len(self.first) > 1 else ""
        return int(status) if self.first[0].startswith("HTTP/") and status.isdecimal() else 0

    @property
    def closes(self) -> bool:
        """Whether the connection ends with this message."""
        tokens = {token.strip() for token in self.get("connection").split(",")}
        version = self.first[0] if self.status else self.first[-1]
        return "close" in tokens or (version == "HTTP/1.0" and "keep-alive" not in tokens)

    def without(self, *names: str) -> bytes:
        """Return it without some headers, and without the empty line at its end."""
        first, *lines = self.raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
        dropped = {name.encode() for name in names}
        kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in dropped]
        return b"\r\n".join([first, *kept])


@dataclass(frozen=True)
class Message:
    """A whole request or answer.

    Attributes:
        head: Its head.
        raw_body: As it came.
        content: What the body contains.
        ends_connection: Whether only the end of the connection told where the body ends.
    """

    head: Head
    raw_body: bytes = b""
    content: bytes = b""
    ends_connection: bool = False

    @property
    def raw(self) -> bytes:
        """All of it, as it came."""
        return self.head.raw + self.raw_body


def counted(message: Message) -> Message:
    """Return an answer whose head says how long its body is."""
    head = message.head.without("transfer-encoding", "content-length")
    raw = head + b"\r\nContent-Length: %d\r\n\r\n" % len(message.content)
    return Message(Head(raw), message.content, message.content)


def chunked(message: Message) -> Message:
    """Return an answer whose body comes in one chunk."""
    raw = message.head.without("transfer-encoding", "content-length") + b"\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%s\r\n" % (len(message.content), message.content) if message.content else b""
    return Message(Head(raw), chunk + LAST_CHUNK, message.content)


class Stream:
    """Reads messages from a socket.

    Args:
        connection: The socket. Stays the caller's to close.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()
        self._taken = bytearray()

    @property
    def has_more(self) -> bool:
        """Whether something was read that belongs to no message yet."""
        return bool(self._buffer)

    def head(self) -> Head | None:
        """Read a head; None if the other side has ended the connection instead.

        Raises:
            EndedError: If it ended within the head, or there is no end to the head.
            OSError: If the connection broke.
        """
        self._taken.clear()
        # Servers have to pass over empty lines before a request.
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT or not self._more():
                if not self._buffer:
                    return None
                raise EndedError(bytes(self._buffer))
        return Head(self._take(end + 4))

    def request_body(self, head: Head) -> Message:
        """Read what belongs to the head of a request.

        Raises:
            EndedError: If the connection ended before.
            OSError: If the connection broke.
        """
        return self._body(head, to_end=False)

    def answer_body(self, head: Head, method: str) -> Message:
        """Read what belongs to the head of an answer.

        Args:
            head: The head.
            method: Of the request.

        Raises:
            EndedError: If the connection ended before.
            OSError: If the connection broke.
        """
        if method == "HEAD" or head.status in BODILESS or head.status < 200:  # noqa: PLR2004 - what is no answer yet
            return Message(head)
        return self._body(head, to_end=True)

    def _body(self, head: Head, *, to_end: bool) -> Message:
        if "chunked" in head.get("transfer-encoding"):
            start = len(self._taken)
            content = self._chunks()
            return Message(head, bytes(self._taken[start:]), content)
        length = head.get("content-length")
        if length:
            if not length.isdecimal():
                raise EndedError(bytes(self._taken))
            body = self._exactly(int(length))
            return Message(head, body, body)
        if not to_end:
            return Message(head)
        while self._more():
            pass
        body = self._take(len(self._buffer))
        return Message(head, body, body, ends_connection=True)

    def _chunks(self) -> bytes:
        content = bytearray()
        while True:
            size = self._line().split(b";")[0].strip()
            try:
                length = int(size, 16)
            except ValueError:
                raise EndedError(bytes(self._taken)) from None
            if length == 0:
                break
            content += self._exactly(length)
            self._line()
        while self._line() != b"\r\n":
            pass
        return bytes(content)

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _HEAD_LIMIT or not self._more():
                raise EndedError(bytes(self._taken + self._buffer))
        return self._take(end + 2)

    def _exactly(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if not self._more():
                raise EndedError(bytes(self._taken + self._buffer))
        return self._take(length)

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._taken += taken
        return taken

    def _more(self) -> bool:
        piece = self._connection.recv(_PIECE)
        self._buffer += piece
        return bool(piece)
