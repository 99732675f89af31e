"""Values at and beyond what the engine takes: coercions, lengths, sizes, characters, loose JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.conformance import models
from tests.conformance.answers import FREE, lock_of, values_of
from tests.conformance.registry import case
from tests.conformance.scene import LOCK, typed, variable

from .acquire import FEWER_THAN_ONE

if TYPE_CHECKING:
    from tests.conformance.scene import Scene

NOTHING: list[Any] = [None, "", " ", 0.5]
NUMBERS_THAT_ARE_NONE: list[Any] = [True, "x", "1.5", 99_999_999_999, 2_147_483_647.5, [1], {}]
TOO_LONG = (
    "\n### Error updating database.  Cause: org.h2.jdbc.JdbcSQLDataException: "
    'Value too long for column "{} CHARACTER VARYING(255)": '
)
MEGABYTE = 1 << 20


@case(96)
def values_of_other_json_types_are_converted_or_refused(s: Scene) -> None:
    """Texts of numbers are numbers, fractions are cut, null and blank are zero; scalars will do as texts."""
    for _ in range(8):
        s.start(models.one)
    for number, count in (("2", 2), (1.9, 1), ("1", 1)):
        assert len(s.acquire(numberOfTasks=number).jobs) == count
    for nothing in NOTHING:
        s.acquire(numberOfTasks=nothing).is_error(400, FEWER_THAN_ONE)
        s.acquire(numberOfRetries=nothing).is_nothing()
    for wrong in NUMBERS_THAT_ARE_NONE:
        s.acquire(numberOfTasks=wrong).is_unreadable()
    for given, owner in ((5, "5"), (True, "true"), (" ", " ")):
        job = s.acquire(workerId=given).job
        assert job["lockOwner"] == owner
        s.complete(job, owner).is_accepted()
    s.acquire(topic=["t"]).is_unreadable()
    s.acquire(topic=None).is_error(400, "topic is required")
    s.acquire(workerId=None).is_error(400, "workerId is required")
    for blank in (None, " "):
        s.acquire(lockDuration=blank).is_error(400, "lockDuration is required")


@case(98, executor=False)
def the_ends_of_lock_durations(s: Scene) -> None:
    """Up to 31 bits of milliseconds a lock lasts as long as asked for; beyond, it wraps; far beyond, it is refused."""
    lengths: dict[Any, float] = {
        "P24D": 2_073_600,
        "PT2147483.647S": 2_147_483.647,
        "PT2147483.648S": -2_147_483.648,
        "P50D": 25_032.704,
        "PT0S": 0,
        "PT0.0001S": 0,
        0: 0,
        "PT1S": 1,
    }
    for duration, seconds in lengths.items():
        s.start(models.one)
        answer = s.acquire(lockDuration=duration)
        answer.ends_after(answer.job, seconds)
        s.complete(answer.job).is_accepted()
    s.acquire(lockDuration="P106751991168D").is_error(500, "long overflow")
    s.acquire(lockDuration="PT9999999999999999999S").is_unreadable()


@case(99)
def texts_longer_than_their_column_are_an_error_that_changes_nothing(s: Scene) -> None:
    """Worker ids and variable names have room for 255 characters; a topic is only compared."""
    job = s.query(processInstanceId=s.start(models.one)).page["data"][0]
    longest = s.own("w" * 246)
    assert len(longest) == 255
    refused = s.acquire(workerId=longest + "w")
    assert refused.error.startswith(TOO_LONG.format("LOCK_OWNER_")), refused
    assert refused.status == 500
    s.acquire(topic="t" * 300).is_nothing()
    assert lock_of(s.now(job)) == FREE
    assert s.acquire(workerId=longest).job["lockOwner"] == longest
    refused = s.complete(job, longest, variables=[variable("v" * 256, 1)])
    assert refused.error.startswith(TOO_LONG.format("NAME_")), refused
    assert refused.status == 500
    assert s.now(job)["lockOwner"] == longest
    s.complete(job, longest, variables=[variable("v" * 255, 1)]).is_accepted()


@case(100)
def every_character_survives(s: Scene) -> None:
    """Worker ids, names, values and messages come back unchanged; bytes that are no UTF-8 are refused."""
    odd, worker = 'übermäßig 🐟 \u0000 " \\ \n', s.own("wörker-🐟")
    s.start(models.chain, variable("größe", odd))
    job = s.acquire(worker).job
    assert (job["lockOwner"], values_of(job)) == (worker, {"größe": ("string", odd)})
    s.fail(job, worker, errorMessage="Fehler: größer als 🐟").is_accepted()
    job = s.acquire().job
    assert job["exceptionMessage"] == "Fehler: größer als 🐟"
    s.complete_with(job, variable("näme", "日本語"), typed("j", "json", {"ключ": "значение 🐟"})).is_accepted()
    values = values_of(s.wait_for_job(s.own("t2")).job)
    assert values == {"größe": ("string", odd), "näme": ("string", "日本語"), "j": ("json", {"ключ": "значение 🐟"})}
    escaped = json.dumps({"topic": s.topic, "lockDuration": LOCK, "workerId": "\xe4"}).encode("ascii")
    s.send("POST", "/acquire/jobs", raw=escaped).is_nothing()
    utf8 = {"Content-Type": "application/json; charset=utf-8"}
    s.send("POST", "/acquire/jobs", raw=escaped, headers=utf8).is_nothing()
    s.send("POST", "/acquire/jobs", raw=b'{"topic":"\xff"}').is_unreadable()


@case(101)
def megabytes_go_in_and_come_back(s: Scene) -> None:
    """Long texts, large JSON and long details are taken, and values come back unchanged."""
    s.start(models.chain, variable("start", "y" * 100_000))
    job = s.acquire().job
    assert values_of(job) == {"start": ("string", "y" * 100_000)}
    large = {"a": "z" * 2 * MEGABYTE}
    s.complete_with(job, typed("s", "string", "x" * MEGABYTE), typed("j", "json", large)).is_accepted()
    job = s.wait_for_job(s.own("t2")).job
    values = values_of(job)
    # Not as one comparison: a difference would be printed.
    assert values["s"][1] == "x" * MEGABYTE, "the text has changed"
    assert values["j"][1] == large, "the JSON has changed"
    s.fail(job, errorMessage="m", errorDetails="d" * MEGABYTE).is_accepted()


@case(102)
def json_has_limits(s: Scene) -> None:
    """1,000 levels on every release; from 7.0 on also 1,000 digits and 20,000,000 characters."""
    deep = "[" * 1_100 + "]" * 1_100
    digits = "9" * 1_100
    long_text = '"' + "x" * 20_000_001 + '"'
    limited = s.release >= (7, 0)
    for value, kind, refused in ((deep, "json", True), (digits, None, limited), (long_text, "string", limited)):
        job = s.started(models.one)
        named = '"name":"v"' + (f',"type":"{kind}"' if kind else "")
        raw = f'{{"workerId":"{s.w1}","variables":[{{{named},"value":{value}}}]}}'.encode()
        answer = s.send("POST", f"/acquire/jobs/{job['id']}/complete", raw=raw)
        if refused:
            answer.is_unreadable()
            assert s.now(job)["lockOwner"] == s.w1
        else:
            answer.is_accepted()


@case(115)
def json_may_be_a_little_loose(s: Scene) -> None:
    """The last of two equal members counts, text after the object does not; names are case-sensitive."""
    order = f'"lockDuration":"{LOCK}","workerId":"{s.w1}"'

    def acquire(text: str, **headers: str) -> Any:
        return s.send("POST", "/acquire/jobs", raw=text.encode(), headers=headers)

    s.start(models.one)
    acquire(f'{{"topic":"{s.topic}","topic":"{s.own("u")}",{order}}}').is_nothing()
    assert len(acquire(f'{{"topic":"{s.own("u")}","topic":"{s.topic}",{order}}}').jobs) == 1
    acquire(f'{{"topic":"{s.topic}",{order}}} xx').is_nothing()
    acquire(f'{{"topic":"{s.topic}","numberOfTasks":NaN,{order}}}').is_unreadable()
    acquire("{'topic':'t'}").is_unreadable()
    acquire("\ufeff{}").is_error(400, "topic is required")
    acquire('{"Topic":"t"}').is_error(400, "topic is required")
    acquire("{}", **{"Content-Type": "application/vnd.x+json"}).is_error(400, "topic is required")
