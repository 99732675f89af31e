"""Access tokens of Flowable Cloud (and of any gateway that takes bearer tokens)."""

from __future__ import annotations

from requests import PreparedRequest
from requests.auth import AuthBase

from flowable.external_worker_client.errors import SECRET, InvalidArgumentError


class FlowableCloudToken(AuthBase):
    """Sends `Authorization: Bearer <token>` with every request.

    Args:
        token: The personal access token: printable ASCII.

    Attributes:
        token: As given. Does not show in `repr`.

    Raises:
        InvalidArgumentError: The token is not such text. A line break at its end, as files have it, is the usual cause.
    """

    def __init__(self, token: str) -> None:
        if not isinstance(token, str) or not token or not all(" " <= character <= "~" for character in token):
            raise InvalidArgumentError("token", SECRET, "text of printable ASCII characters, without line breaks")
        self.token = token

    def __eq__(self, other: object) -> bool:
        """Tokens are equal when their texts are, which is how requests tells whether to merge them."""
        return bool(self.token == getattr(other, "token", None))

    def __hash__(self) -> int:
        """Equal tokens hash alike."""
        return hash(self.token)

    def __repr__(self) -> str:
        """Say what this is, without the token."""
        return "FlowableCloudToken(<not shown>)"

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """Put the header on a request. Called by requests."""
        r.headers["Authorization"] = "Bearer " + self.token
        return r
