"""What differs between releases of Flowable, as data.

The embedded engine asks a profile wherever releases behave differently; no version number is compared anywhere else.
6.8, 7.0 and 7.2 are held against recorded answers of the real releases 6.8.0, 7.0.1 and 7.2.0. 7.1 and 8.0 follow from
the engine's sources and have not been compared with a running engine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

__all__ = ["RELEASES", "Release", "release_profile"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """How one release of Flowable behaves.

    Attributes:
        name: What people write, such as `"7.2"`.
        version: The release that it stands for, such as `"7.2.0"`.
        verified: Whether the profile was compared with a running engine of that version.
        reset_renews_job_id: When an expired lock (or the end of a retry time-out) is reset, the job is deleted and
            inserted again under a new id.
        has_unacquire: The two `unacquire` operations exist.
        unacquire_frees_instance: Unacquiring an exclusive job frees its process instance too. Where it does not, the
            released job blocks its topic until the original lock would have ended.
        has_parameters: In- and out-parameters and `doNotIncludeVariables` work. Otherwise they are ignored.
        has_big_numbers: `bigDecimal` and `bigInteger` are variable types of this API.
        job_dates_keep_fraction: Dates of jobs always have three fraction digits. Otherwise none when they are zero.
        iso_dates: Variables of type `date` are read strictly, without a zone as UTC, and written with milliseconds.
        unknown_path_is_500: Paths that do not exist inside the API answer 500 instead of a generic 404, and a slash at
            the end of a path makes it such a path.
        unknown_path_text: The text of that 500.
        firewall_status: What `;`, `%25`, `%3B` and `//` in a path are answered with: 401 even with good credentials,
            or 500.
        nested_exception_texts: Texts of JSON errors go on with `; nested exception is …`.
        short_refusals: "Request method 'GET' not supported" rather than "… is not supported", and "Could not find
            acceptable representation" rather than "No acceptable representation".
        json_limits: The JSON reader refuses strings over 20,000,000 characters and numbers over 1,000 digits.
        null_counts_refused: Null for a whole number is refused instead of read as 0.
        management_shows_handler: Jobs of the management API have `handlerType`, `lockOwner`, `lockExpirationTime`, and
            the `url` of a case's dead letter says that it is one.
        stacktrace_type: The content type of a dead letter's details.
        json_source: How the JSON reader calls its input in its texts.
    """

    name: str
    version: str
    verified: bool = True
    reset_renews_job_id: bool = False
    has_unacquire: bool = True
    unacquire_frees_instance: bool = False
    has_parameters: bool = True
    has_big_numbers: bool = True
    job_dates_keep_fraction: bool = True
    iso_dates: bool = False
    unknown_path_is_500: bool = True
    unknown_path_text: str = "No endpoint {method} {path}."
    firewall_status: int = 401
    nested_exception_texts: bool = False
    short_refusals: bool = False
    json_limits: bool = True
    null_counts_refused: bool = False
    management_shows_handler: bool = True
    stacktrace_type: str = "text/plain"
    json_source: str = "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)"


_7_2: Final = Release(name="7.2", version="7.2.0")
_7_1: Final = replace(
    _7_2, name="7.1", version="7.1.0", verified=False, has_big_numbers=False, job_dates_keep_fraction=False
)
_7_0: Final = replace(
    _7_1,
    name="7.0",
    version="7.0.1",
    verified=True,
    has_parameters=False,
    stacktrace_type="text/plain;charset=ISO-8859-1",
    json_source="(org.springframework.util.StreamUtils$NonClosingInputStream)",
)
_6_8: Final = replace(
    _7_0,
    name="6.8",
    version="6.8.0",
    reset_renews_job_id=True,
    has_unacquire=False,
    unknown_path_is_500=False,
    firewall_status=500,
    nested_exception_texts=True,
    short_refusals=True,
    json_limits=False,
    management_shows_handler=False,
)
_8_0: Final = replace(
    _7_2,
    name="8.0",
    version="8.0.0",
    verified=False,
    unacquire_frees_instance=True,
    job_dates_keep_fraction=False,
    iso_dates=True,
    null_counts_refused=True,
)

#: The profiles by name, oldest first.
RELEASES: Final = {profile.name: profile for profile in (_6_8, _7_0, _7_1, _7_2, _8_0)}


def release_profile(name: str | Release) -> Release:
    """Find the profile of a release.

    Args:
        name: `"7.2"` or `"7.2.0"`, or a profile, which is returned as it is.

    Raises:
        ValueError: If there is no profile of that name.
    """
    if isinstance(name, Release):
        return name
    for profile in RELEASES.values():
        if name in {profile.name, profile.version}:
            return profile
    known = ", ".join(repr(known) for known in RELEASES)
    raise ValueError(f"release: {name!r} is not known; accepted are {known} and the versions that they stand for")
