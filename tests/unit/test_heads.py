"""What is read and written for usual requests, against http.client, urllib3 and requests themselves."""

from __future__ import annotations

import http.client
import io
import itertools
from typing import Any

import pytest
import requests
import urllib3.connection
import urllib3.util.url
from hypothesis import example, given
from hypothesis import strategies as st
from requests.models import PreparedRequest
from requests.structures import CaseInsensitiveDict

from flowable.external_worker_client.rest.heads import (
    PIECE,
    Answer,
    Unusual,
    read_answer,
    request_head,
    usual_path,
)
from flowable.external_worker_client.rest.operations import OPERATIONS

# ---------------------------------------------------------------- answers

TOKENS = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=8)
VALUES = st.text(" \t!,-/:;=~09AZaz", max_size=12)
NAMES = TOKENS | st.sampled_from(
    [
        *("Content-Length", "content-length", "Transfer-Encoding", "Connection", "Keep-Alive", "Content-Type"),
        *("Content-Encoding", "Set-Cookie", "Location", "Expires", "From", "X-A"),
    ]
)
USUAL_FIELDS = st.sampled_from(
    [
        *("Content-Length: 5", "content-length:5", "Content-Length: 0", "Transfer-Encoding: chunked"),
        *("Connection: close", "connection: Keep-Alive", "Keep-Alive: timeout=60", "Content-Type: application/json"),
        *("X-Empty:", "X-Empty: ", "X-Trailing: a  ", "X-Two: 1", "x-two: 2", "Cache-Control: no-cache, no-store"),
        *("Content-Length: +5", "Content-Length: 5, 5", "Content-Length: -1", "Transfer-Encoding: gzip, chunked"),
        *("Content-Encoding: gzip", "Set-Cookie: a=b", "Connection: x, CLOSE", " folded", "X Y: z", "nonsense"),
        *("X-Latin: é", "X-Bell: \a", "X-Line: a\nb: c", "X-Return: a\rb: c"),
    ]
)
FIELDS = USUAL_FIELDS | st.builds("{}: {}".format, NAMES, VALUES)
STATUS_LINES = st.sampled_from(
    [
        *("HTTP/1.1 200 ", "HTTP/1.1 200 OK", "HTTP/1.1 204 ", "HTTP/1.1 204", "HTTP/1.1 404 Not Found"),
        *("HTTP/1.1 500 ", "HTTP/1.1 302 Found", "HTTP/1.1 100 Continue", "HTTP/1.0 200 OK", "HTTP/1.1 20", "x"),
        *("HTTP/1.1 304 ", "HTTP/1.1  200 OK", "HTTP/1.1 999 ", "HTTP/1.2 200 OK"),
    ]
)
BODIES = st.sampled_from(
    [
        *(b"", b"hello", b"hello and more", b"hell", b"5\r\nhello\r\n0\r\n\r\n", b"5;x=y\r\nhello\r\n0\r\n\r\n"),
        *(
            b"0\r\n\r\n",
            b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX: y\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
        ),
        *(b"5\r\nhelloXX0\r\n\r\n", b"zz\r\nhello", b"05\r\nhello\r\n000\r\n\r\n", b"0\r\n\r\nmore", b"fffffffff\r\nx"),
        b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
    ]
)
ENDS = st.sampled_from(["\r\n"] * 9 + ["\n"])


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    """Draw the bytes of an answer, usual or not, and sometimes cut off."""
    end = draw(ENDS)
    lines = [draw(STATUS_LINES), *draw(st.lists(FIELDS, max_size=6))]
    data = "".join(line + end for line in [*lines, ""]).encode("latin-1") + draw(BODIES)
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


class StarvedError(OSError):
    """There is nothing more to read yet."""


class Source:
    """Gives out data in pieces; then says that the connection has ended, or that there is nothing more for now."""

    def __init__(self, data: bytes, cuts: list[int], *, ends: bool) -> None:
        bounds = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
        pieces = [data[begin:end] for begin, end in itertools.pairwise(bounds)]
        self._pieces = [piece for piece in pieces if piece]
        self._ends = ends
        self.starved = False

    def receive(self, number: int) -> bytes:
        """Return the next piece."""
        assert number >= PIECE
        if self._pieces:
            return self._pieces.pop(0)
        if not self._ends:
            self.starved = True
            raise StarvedError
        return b""

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return a file, as a socket does, for http.client."""
        assert mode == "rb"
        source = self

        class Raw(io.RawIOBase):
            left = b""

            def readable(self) -> bool:
                return True

            def readinto(self, buffer: Any) -> int:
                self.left = self.left or source.receive(PIECE)
                number = min(len(buffer), len(self.left))
                buffer[:number] = self.left[:number]
                self.left = self.left[number:]
                return number

        return io.BufferedReader(Raw())


def by_http_client(source: Source) -> tuple[int, dict[str, str], bytes, bool]:
    """Read an answer as requests does: status, headers, body, and whether the connection ends with it."""
    response = http.client.HTTPResponse(source, method="POST")  # type: ignore[arg-type]
    response.begin()
    message = urllib3.HTTPHeaderDict(response.msg.items())
    headers = {name.lower(): value for name, value in CaseInsensitiveDict(message).items()}
    return response.status, headers, response.read(), response.will_close


@given(answers(), st.lists(st.integers(0, 80), max_size=3), st.booleans())
@example(b"HTTP/1.1 200 \r\nX: 1\r\ncontent-length: 5\r\nx: 2 \r\n\r\nhello", [], True)
@example(b"HTTP/1.1 204 \r\nConnection: close\r\n\r\n", [], False)
@example(b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", [46, 52], False)
@example(b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", [], False)
@example(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", [], False)
def test_what_is_read_is_what_http_client_reads(data: bytes, cuts: list[int], ends: bool) -> None:
    """Whatever comes in whatever pieces. And it does not wait where http.client would not."""
    received: list[bytes] = []
    source, theirs = Source(data, cuts, ends=ends), Source(data, cuts, ends=ends)
    try:
        answer = read_answer(source.receive, received)
    except Unusual:
        answer = None
    except StarvedError:
        with pytest.raises(StarvedError):
            by_http_client(theirs)
        answer = None
    # Whoever reads it instead begins from the beginning.
    assert data.startswith(b"".join(received))
    if answer is not None:
        response = answer.response
        assert (response.status, response.headers, response.body, answer.closes) == by_http_client(theirs)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 204 \r\nExpires: 0\r\n\r\n",
        b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 404 \r\ncontent-length:0\r\n\r\n",
    ],
    ids=["counted", "204", "chunked", "an error", "empty"],
)
def test_usual_answers_are_read(data: bytes) -> None:
    """In one piece and in many; what the engine says is not left to anybody."""
    expected = by_http_client(Source(data, [], ends=True))
    head = data.index(b"\r\n\r\n") + 4
    for cuts in ([], list(range(head, len(data)))):
        answer = read_answer(Source(data, cuts, ends=False).receive, [])
        response = answer.response
        assert (response.status, response.headers, response.body, answer.closes) == expected


def test_a_large_answer_is_read_in_large_pieces() -> None:
    """Counted or in one chunk: what has come is not copied again and again."""
    body = bytes(range(256)) * 40_000
    counted = b"HTTP/1.1 200 \r\nContent-Length: %d\r\n\r\n" % len(body) + body
    chunked = b"HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
    for data in (counted, chunked):
        asked: list[int] = []
        left = io.BytesIO(data)

        def receive(number: int, asked: list[int] = asked, left: io.BytesIO = left) -> bytes:
            asked.append(number)
            return left.read(number)

        assert read_answer(receive, []).response.body == body
        assert max(asked) == 16 * PIECE
        assert len(asked) < 20


@pytest.mark.parametrize(
    ("header", "expected"),
    [("timeout=60", 60), ("max=5, timeout=7", 7), ("timeout=7, max=5", 7), ("timeout=x", None), ("xtimeout=7", None)],
)
def test_how_long_a_server_keeps_a_connection_is_read(header: str, expected: int | None) -> None:
    """`Keep-Alive`, as Tomcat sends it."""
    data = f"HTTP/1.1 204 \r\nKeep-Alive: {header}\r\n\r\n".encode()
    assert read_answer(Source(data, [], ends=False).receive, []).timeout == expected


def test_more_fields_than_http_client_takes_are_left_to_it() -> None:
    """It takes a hundred lines."""
    for number, usual in ((99, True), (100, False)):
        data = b"HTTP/1.1 204 \r\n" + b"X: y\r\n" * number + b"\r\n"
        try:
            read = isinstance(read_answer(Source(data, [], ends=True).receive, []), Answer)
            by_http_client(Source(data, [], ends=True))
        except (Unusual, http.client.HTTPException):
            read = False
        assert read is usual


# ---------------------------------------------------------------- requests

PRINTABLE = st.text(st.characters(min_codepoint=9, max_codepoint=255), max_size=8)
HEADERS = st.dictionaries(
    st.sampled_from(["User-Agent", "Accept-Encoding", "Accept", "Host", "Connection", "X-A", "x-b", "Expect"]) | TOKENS,
    PRINTABLE | st.sampled_from(["gzip", "*/*", "@@@SKIP_HEADER@@@"]) | st.binary(max_size=3),
    max_size=6,
)


class Recorded(urllib3.connection.HTTPConnection):
    """A connection that keeps what it would send."""

    def connect(self) -> None:
        """Do not."""
        self.sent = b""
        self.sock: Any = self

    def settimeout(self, timeout: Any) -> None:
        """Nothing waits."""

    def sendall(self, data: bytes) -> None:
        """Keep it."""
        self.sent += data


def by_urllib3(port: int, headers: dict[str, Any], body: bytes | None) -> bytes:
    """Return what urllib3 sends."""
    connection = Recorded("127.0.0.1", port)
    connection.connect()
    connection.request("GET" if body is None else "POST", "/path", body=body, headers=headers)
    sent = connection.sent
    connection.sock = None
    return sent


@given(HEADERS, st.sampled_from([80, 8090]), st.none() | st.binary(min_size=1, max_size=9), st.integers(0, 6))
@example({"User-Agent": "x", "Accept": "*/*"}, 8090, b"{}", 1)
@example({"User-Agent": "x", "host": "other"}, 80, None, 0)
def test_what_is_written_is_what_urllib3_writes(
    headers: dict[str, Any], port: int, body: bytes | None, place: int
) -> None:
    """To the byte, with the length wherever it stands among the headers."""
    items = list(headers.items())
    if body is not None:
        items.insert(place, ("Content-Length", str(len(body))))
    head = request_head(
        "GET" if body is None else "POST", "127.0.0.1", None if port == 80 else port, items, body=body is not None
    )
    if head is not None:
        assert head.of("/path", body) + (body or b"") == by_urllib3(port, dict(items), body)


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "*/*"},
        {"User-Agent": "x", "Transfer-Encoding": "chunked"},
        {"User-Agent": "x", "Content-Length": "3"},
        {"User-Agent": b"x"},
        {"User-Agent": "x", "X": "a\r\nb: c"},
        {"User-Agent": "x", "X Y": "z"},
        {"User-Agent": "x", "X": "é"},
        {"User-Agent": "x", "Accept-Encoding": "@@@SKIP_HEADER@@@"},
        {"User-Agent": "x", "user-agent": "y"},
    ],
    ids=repr,
)
def test_unusual_headers_are_left_to_urllib3(headers: dict[str, Any]) -> None:
    """It refuses some of them, and does something special about others."""
    assert request_head("GET", "engine", None, headers.items(), body=False) is None
    assert request_head("GET", "engine", None, {"User-Agent": "x"}.items(), body=False) is not None


@pytest.mark.parametrize("host", ["::1", "engine.", "häuser", "a b", "", "a/b"])
def test_unusual_hosts_are_left_to_urllib3(host: str) -> None:
    """IPv6 addresses have brackets, dots at the end go."""
    assert request_head("GET", host, None, {"User-Agent": "x"}.items(), body=False) is None


IDS = st.text(min_size=1) | st.text("./%~-_:a1?#é ", min_size=1, max_size=6)
QUERIES = st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4) | st.text("./%~ é&=+", max_size=4)), max_size=2)


@given(st.sampled_from(OPERATIONS), IDS, QUERIES)
@example(OPERATIONS[1], "..", [])
@example(OPERATIONS[1], "~", [("a", "~")])
def test_usual_paths_stay_as_they_are(operation: Any, job_id: str, query: list[tuple[str, str]]) -> None:
    """Requests and urllib3 take segments of dots out, and change escapes that are not needed."""
    try:
        path = operation.at(job_id if "{}" in operation.path else None, query)
    except UnicodeEncodeError:
        return
    prepared = PreparedRequest()
    prepared.prepare_url(f"http://engine{path}", {})
    if usual_path(path):
        assert prepared.url == f"http://engine{path}"
        assert urllib3.util.url._encode_target(prepared.path_url) == path


@given(st.text("/.%25?=Ff~ab", max_size=12))
def test_only_paths_that_stay_are_usual(text: str) -> None:
    """Any path at all."""
    path = f"/{text}"
    if usual_path(path):
        prepared = PreparedRequest()
        prepared.prepare_url(f"http://engine{path}", {})
        assert prepared.url == f"http://engine{path}"


@pytest.mark.parametrize("path", ["/jobs/3f2b-11ee", "/jobs/a%2Fb/complete", "/jobs?size=3&sort=id", "/a.b/~c/d_e:f"])
def test_paths_of_the_api_are_usual(path: str) -> None:
    """And so are ids with what is escaped in them."""
    assert usual_path(path)
    assert requests.utils.requote_uri(f"http://engine{path}") == f"http://engine{path}"
