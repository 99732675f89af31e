"""Use everything that version 1.0.2 has, once, and write down what came back. Runs with 1.0.2 and with ours.

`python scenario.py ADDRESS FILE`: the server at that address gives the canned answers; observations go to the file as
JSON. Which library it is, is decided by the path that the interpreter was started with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from requests.auth import HTTPBasicAuth

import flowable.external_worker_client as library
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable

MEMBERS = (
    *("id", "url", "correlation_id", "process_instance_id", "execution_id", "scope_id", "sub_scope_id"),
    *("scope_definition_id", "scope_type", "element_id", "element_name", "retries", "exception_message", "due_date"),
    *("create_time", "tenant_id", "lock_owner", "lock_expiration_time"),
)
observations: list[list[Any]] = []


def plain(value: Any) -> Any:
    """Return what programs can see of a value, as JSON."""
    if isinstance(value, datetime):
        return [value.isoformat(), str(value.tzinfo)]
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, EngineRestVariable):
        return {"variable": [value.name, value.type, value.value, value.value_url]}
    if hasattr(value, "correlation_id"):
        shown = {name: plain(getattr(value, name)) for name in MEMBERS}
        return {"kind": type(value).__name__, **shown, "variables": plain(getattr(value, "variables", None))}
    if hasattr(value, "total"):
        return [plain(value.data), value.total, value.start, value.sort, value.order, value.size]
    return value


def observe(label: str, call: Callable[[], Any]) -> None:
    """Note what a call returns or raises."""
    try:
        outcome = plain(call())
    except Exception as error:  # noqa: BLE001 - whatever it is, it is an observation
        outcome = [type(error).__module__, type(error).__name__, str(error)]
    observations.append([label, outcome])


def variables() -> list[EngineRestVariable]:
    """Return one variable of every kind."""
    return [
        EngineRestVariable("text", "string", "gr\u00fc\u00df dich \U0001f600"),
        EngineRestVariable("number", "integer", 5),
        EngineRestVariable("large", "long", 5_000_000_000),
        EngineRestVariable("small", "short", 5),
        EngineRestVariable("real", "double", 1.5),
        EngineRestVariable("flag", "boolean", False),
        EngineRestVariable("tree", "json", {"a": None, "b": [None, {"c": None}]}),
        EngineRestVariable("day", "localDate", "2026-05-04"),
        EngineRestVariable("nothing", "string", None),
        EngineRestVariable("elsewhere", "binary", None, "http://engine.test/value"),
    ]


def use_the_rest_client(address: str) -> None:
    """Call every method with and without what can be left out."""
    client: Any = library.FlowableExternalWorkerRestClient(address + "/", "worker-1", HTTPBasicAuth("kermit", "frog"))
    observe("host", lambda: client.flowable_host)
    observe("worker", lambda: client.worker_id)
    observe("list", client.list_jobs)
    for job_id in ("job-1", "missing", "two words", "\u00e4\u00f6", "a.b~c_d"):
        observe(f"get {job_id}", partial(client.get_job, job_id))
    observe("acquire", lambda: client.acquire_jobs("topic", "PT10M"))
    observe("acquire all", lambda: client.acquire_jobs("topic", "P1DT2H", 3, 7, "other", "cmmn"))
    observe(
        "acquire named",
        lambda: client.acquire_jobs(
            topic=" odd topic ",
            lock_duration="pt0.5s",
            number_of_tasks=2,
            number_of_retries=1,
            worker_id=None,
            scope_type="bpmn",
        ),
    )
    observe("acquire refused", lambda: client.acquire_jobs("topic", "PT1M"))
    for method in (client.complete_job, client.job_with_bpmn_error, client.job_with_cmmn_terminate):
        name = method.__name__
        observe(f"{name} null", partial(method, "job-1", None))
        observe(f"{name} none", partial(method, "job-1", []))
        observe(f"{name} all", partial(method, "job-1", variables()))
        observe(f"{name} named", partial(method, job_id="job 2", variables=variables()[:1], worker_id="other"))
        for job_id in ("missing", "locked", "broken"):
            observe(f"{name} {job_id}", partial(method, job_id, None))
    observe("complete bare", lambda: client.complete_job("job-1"))
    observe("complete positional", lambda: client.complete_job("job-1", [], "other"))
    observe("error bare", lambda: client.job_with_bpmn_error("job-1"))
    observe("error positional", lambda: client.job_with_bpmn_error("job-1", variables(), "code", "other"))
    observe("error named", lambda: client.job_with_bpmn_error("job-1", error_code="code"))
    observe("terminate positional", lambda: client.job_with_cmmn_terminate("job-1", variables(), "other"))
    observe("fail bare", lambda: client.fail_job("job-1"))
    observe("fail positional", lambda: client.fail_job("job-1", "m", "d", 4, "PT5M", "other"))
    observe("fail for good", lambda: client.fail_job("job-1", error_message="\u00e4", retries=0))
    observe("fail named", lambda: client.fail_job(job_id="job-1", error_details="d\nd", retry_timeout="PT1H"))
    for job_id in ("missing", "locked", "broken"):
        observe(f"fail {job_id}", partial(client.fail_job, job_id))
    client.request_session.close()


class Duck:
    """An outcome of somebody's own: no base class, several calls."""

    def execute(self, rest_client: Any) -> None:
        """Look at the job, then complete it."""
        observe("duck looks", lambda: rest_client.get_job("duck"))
        observe("duck completes", lambda: rest_client.complete_job("duck", variables()[:2]))


def subscribe(address: str) -> None:
    """Work on jobs: every outcome, every step of the builder."""

    def customize(session: Any) -> None:
        session.headers["X-Custom"] = "yes"

    client = library.ExternalWorkerClient(address, "worker-1", FlowableCloudToken("token-1"), customize)
    rest_client: Any = client._restClient

    def from_the_callback(result: Any) -> Any:
        observe("callback looks", lambda: rest_client.get_job("callback"))
        return result.success()

    def fail(text: str) -> None:
        raise ValueError(text)

    outcomes: dict[str, Callable[[Any], Any]] = {
        "none": lambda _: None,
        "success": lambda result: result.success(),
        "values": lambda result: (
            result.success()
            .variable_string("s", "\u00e4")
            .variable_int("i", 2**31 - 1)
            .variable_float("f", 1.5)
            .variable_boolean("b", True)
            .variable_json("j", {"a": [1, None]})
            .variable_json("l", [])
            .variable_string("s", "again")
        ),
        "failure": lambda result: result.failure(),
        "explained": lambda result: (
            result.failure().error_message("m").error_details("d").retries(9).retry_timeout("PT30M")
        ),
        "dead": lambda result: result.failure().error_message("over").retries(0),
        "error": lambda result: result.bpmn_error(),
        "coded": lambda result: result.bpmn_error().error_code("code").variable_string("s", "v").variable_int("i", 1),
        "terminate": lambda result: result.cmmn_terminate(),
        "terminate values": lambda result: (
            result.cmmn_terminate().variable_float("f", 2.0).variable_boolean("b", False)
        ),
        "duck": lambda _: Duck(),
        "callback": from_the_callback,
        "raises": lambda _: fail("it went wrong"),
    }

    def handle(job: Any, result: Any) -> Any:
        observe(f"handling {job.id}", lambda: job)
        if job.id == "last":
            subscription.event.set()
            return None
        return outcomes[job.id](result)

    subscription = client.subscribe("work", handle, "PT2M", 4, "bpmn", 0, 2)
    subscription.thread.join(20)
    observe("ended", lambda: not subscription.thread.is_alive())
    client._restClient.request_session.close()


def main(address: str, file: str) -> None:
    """Do all of it."""
    use_the_rest_client(address)
    subscribe(address)
    source = str(library.__file__)
    Path(file).write_text(json.dumps({"source": source, "observations": observations}), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
