"""The nine operations of the engine's external job API, as data.

Nothing else is on offer: no extension of a lock, no long poll, no list of topics, no acquiring of one certain job.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote, urlencode

JOB_API = "/external-job-api"


class Effect(Enum):
    """What an operation does in the engine, and so what an answer means that follows an unclear send of the same."""

    READS = "reads"
    """Nothing. It may be sent any number of times."""

    ACQUIRES = "acquires"
    """Locks jobs. When the answer is lost they stay locked, for a worker that has not heard of them."""

    SETTLES = "settles"
    """Ends the job. Sent twice, the second is told 404: the first was carried out."""

    FAILS = "fails"
    """Takes the lock away. Sent twice, the second is told 403, or 404 when the job went to the dead letters."""

    RELEASES = "releases"
    """Takes the lock away, and nothing else. Never worth sending twice."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: For logs and metrics.
        method: HTTP method.
        path: Below the engine's address, `{}` where the job id goes.
        success: The status that the engine answers when it did what was asked.
        effect: What that is.
    """

    name: str
    method: str
    path: str
    success: int
    effect: Effect

    def at(self, job_id: str | None = None, query: Iterable[tuple[str, str]] = ()) -> str:
        """Return path and query for a job and filters, quoted so that every character arrives as it is."""
        path = self.path if job_id is None else self.path.replace("{}", _quoted(job_id), 1)
        if not query:
            return path
        text = urlencode(list(query), quote_via=quote)
        return f"{path}?{text}" if text else path


def _quoted(job_id: str) -> str:
    # Usual ids are hexadecimal digits and hyphens, and stay as they are.
    plain = job_id.isascii() and job_id.replace("-", "").isalnum()
    return job_id if plain else quote(job_id, safe="")


ACQUIRE = Operation("acquire", "POST", f"{JOB_API}/acquire/jobs", 200, Effect.ACQUIRES)
COMPLETE = Operation("complete", "POST", JOB_API + "/acquire/jobs/{}/complete", 204, Effect.SETTLES)
BPMN_ERROR = Operation("bpmnError", "POST", JOB_API + "/acquire/jobs/{}/bpmnError", 204, Effect.SETTLES)
CMMN_TERMINATE = Operation("cmmnTerminate", "POST", JOB_API + "/acquire/jobs/{}/cmmnTerminate", 204, Effect.SETTLES)
FAIL = Operation("fail", "POST", JOB_API + "/acquire/jobs/{}/fail", 204, Effect.FAILS)
LIST = Operation("list", "GET", f"{JOB_API}/jobs", 200, Effect.READS)
GET = Operation("get", "GET", JOB_API + "/jobs/{}", 200, Effect.READS)
UNACQUIRE_ALL = Operation("unacquireAll", "POST", f"{JOB_API}/unacquire/jobs", 204, Effect.RELEASES)
UNACQUIRE = Operation("unacquire", "POST", JOB_API + "/unacquire/jobs/{}", 204, Effect.RELEASES)

OPERATIONS = (ACQUIRE, COMPLETE, BPMN_ERROR, CMMN_TERMINATE, FAIL, LIST, GET, UNACQUIRE_ALL, UNACQUIRE)

#: Characters that the servlet containers and firewalls before the engine refuse in a path, quoted or not. They answer
#: 400, 401 or 500 then, with good credentials too.
REFUSED_IN_PATHS = "/\\;%"


def odd_characters(job_id: str) -> str:
    """Return the characters of a job id that the engine's server refuses in a path; empty for a usual id."""
    found = [character for character in REFUSED_IN_PATHS if character in job_id]
    found += sorted({character for character in job_id if not character.isprintable()})
    return "".join(found)
