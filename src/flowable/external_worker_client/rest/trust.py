"""Whom the connections of the fast transport trust, what they show of themselves, and which proxy they go through.

Read from a `requests.Session` by the methods of requests. What cannot be used is refused before pyreqwest sees it, with
the classes of requests and with the reason, which pyreqwest keeps to itself.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import urllib3.exceptions
from requests.exceptions import InvalidProxyURL, InvalidURL, SSLError
from urllib3.util import parse_url

from flowable.external_worker_client.errors import InvalidArgumentError
from flowable.external_worker_client.rest.addresses import urls_without_credentials

#: Its functions have no types.
_utils: Any = requests.utils

#: Kinds of proxies that pyreqwest can use.
_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a connection trusts, and what it goes through: what a connection cannot change later.

    Attributes:
        verify: Whether certificates are checked.
        authorities: Certificates in PEM that are trusted besides those of the machine. Empty: none.
        identity: Certificate and key of the client in PEM. `None`: none.
        proxy: URL of the proxy. `None`: none.
    """

    verify: bool
    authorities: bytes
    identity: bytes | None
    proxy: str | None


def trust_of(session: requests.Session, url: str) -> Trust:
    """Read what a session says about connections to a URL.

    Raises:
        InvalidArgumentError: A file is not there, or has no certificates.
        requests.RequestException: The address of the proxy, or the certificate that the client shows, cannot be used.
            It is of the class that requests raises for that.
    """
    settings = session.merge_environment_settings(url, {}, stream=False, verify=None, cert=None)
    proxy: str | None = _utils.select_proxy(url, settings["proxies"])
    if proxy:
        proxy = _proxy(proxy)
    # Reading and parsing the authorities takes longer than many requests.
    secured = url.lower().startswith("https:") or (proxy or "").lower().startswith("https:")
    verify, cert = settings["verify"], settings["cert"]
    authorities, identity = b"", None
    if secured and verify:
        authorities = _authorities(_utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify)
    if secured and cert:
        files = (cert,) if isinstance(cert, str) else cert
        identity = b"\n".join(_content(str(file), "cert") for file in files)
        _check_identity(*map(str, files))
    return Trust(bool(verify), authorities, identity, proxy or None)


def _proxy(given: str) -> str:
    """Return the URL of a proxy, or refuse it as requests does when it is about to connect."""
    try:
        proxy = str(_utils.prepend_scheme_if_needed(given, "http"))
        parts = parse_url(proxy)
    except urllib3.exceptions.LocationParseError as error:
        # Its text may have the password in it.
        raise InvalidURL(urls_without_credentials(f"the address of the proxy: {error}")) from None
    if not parts.host:
        raise InvalidProxyURL("the address of the proxy has no host")
    if parts.scheme not in _PROXIES:
        raise InvalidURL(f"the address of the proxy is of {parts.scheme}, which is none of {', '.join(_PROXIES)}")
    return proxy


def _check_identity(certificate: str, key: str | None = None) -> None:
    """Refuse what a client cannot show, in words: the reasons of pyreqwest are lost on the way."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(certificate, key, password=_no_password)
    except _EncryptedError:
        reason = "the private key is encrypted, and there is no password for it: give a key that is not"
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        reason = "the private key is not that of the certificate" if mismatch else f"no certificate and key: {error}"
    else:
        return
    # The name of urllib3 in it says "not sent" to whoever reads exceptions.
    named = " and ".join(filter(None, (certificate, key)))
    unsent: Any = urllib3.exceptions.NewConnectionError(f"cert, {named}", reason)  # type: ignore[arg-type]
    raise SSLError(unsent)


class _EncryptedError(Exception):
    """A private key needs a password."""


def _no_password() -> str:
    raise _EncryptedError


def _authorities(path: str) -> bytes:
    folder = Path(path)
    files = sorted(each for each in folder.iterdir() if each.is_file()) if folder.is_dir() else [folder]
    found = [content for each in files if b"-----BEGIN " in (content := _content(str(each), "verify"))]
    if not found:
        # Without any, those of the machine would be trusted, and nobody would notice.
        raise InvalidArgumentError("request_session.verify", path, "a file or folder with certificates in PEM")
    return b"\n".join(found)


def _content(path: str, parameter: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        accepted = f"a file that can be read: {error.strerror}"
        raise InvalidArgumentError(f"request_session.{parameter}", path, accepted) from None
