"""Names, places and signatures are those of version 1.0.2; what is new can be left out."""

from __future__ import annotations

import abc
import importlib
import importlib.metadata
import importlib.util
import inspect
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from requests import PreparedRequest, Session
from requests.auth import AuthBase

import flowable
from flowable.external_worker_client import ExternalWorkerClient, ExternalWorkerSubscription, WorkerResultBuilder
from flowable.external_worker_client.cloud_token import FlowableCloudToken
from flowable.external_worker_client.engine_rest_variable import EngineRestVariable
from flowable.external_worker_client.external_worker_acquire_job_response import ExternalWorkerAcquireJobResponse
from flowable.external_worker_client.external_worker_job_response import ExternalWorkerJobResponse
from flowable.external_worker_client.flowable_rest_exception import FlowableRestException
from flowable.external_worker_client.list_result import ListResult
from flowable.external_worker_client.request_converter import convert_from_engine_rest_variable
from flowable.external_worker_client.response_converter import (
    convert_to_engine_rest_variable,
    convert_to_external_worker_acquire_job_response,
    convert_to_external_worker_job_response,
)
from flowable.external_worker_client.restclient import JOB_API, FlowableExternalWorkerRestClient
from flowable.external_worker_client.utils import parse_date_time
from flowable.external_worker_client.worker_result import (
    WorkerResultBpmnError,
    WorkerResultCmmnTerminate,
    WorkerResultFailure,
    WorkerResultSuccess,
    WorkResult,
    WorkResultWithVariables,
)

from .conftest import HERE, OURS, run
from .stub import job_json
from .surface import PACKAGE, find, parameters

REQUIRED = "required"
JOB_MEMBERS = (
    "id",
    "url",
    "correlation_id",
    "process_instance_id",
    "execution_id",
    "scope_id",
    "sub_scope_id",
    "scope_definition_id",
    "scope_type",
    "element_id",
    "element_name",
    "retries",
    "exception_message",
    "due_date",
    "create_time",
    "tenant_id",
    "lock_owner",
    "lock_expiration_time",
)

#: What version 1.0.2 has: parameters in their order; with a default unless it is REQUIRED. All are positional or named.
SIGNATURES: dict[str, dict[str, str]] = {
    ":ExternalWorkerClient": {
        "flowable_host": "'https://trial.flowable.com/work'",
        "worker_id": "None",
        "auth": "None",
        "customize_session": "a function",
    },
    ":ExternalWorkerClient.subscribe": {
        "topic": REQUIRED,
        "callback_handler": REQUIRED,
        "lock_duration": "'PT1M'",
        "number_of_retries": "5",
        "scope_type": "None",
        "wait_period_seconds": "30",
        "number_of_tasks": "1",
    },
    ":ExternalWorkerSubscription": {"thread": REQUIRED, "event": REQUIRED},
    ":ExternalWorkerSubscription.unsubscribe": {"timeout": "None"},
    ":WorkerResultBuilder": {"job": REQUIRED},
    ":WorkerResultBuilder.success": {},
    ":WorkerResultBuilder.failure": {},
    ":WorkerResultBuilder.bpmn_error": {},
    ":WorkerResultBuilder.cmmn_terminate": {},
    "cloud_token:FlowableCloudToken": {"token": REQUIRED},
    "engine_rest_variable:EngineRestVariable": {
        "name": REQUIRED,
        "type": REQUIRED,
        "value": REQUIRED,
        "value_url": "None",
    },
    "external_worker_job_response:ExternalWorkerJobResponse": dict.fromkeys(JOB_MEMBERS, REQUIRED),
    "flowable_rest_exception:FlowableRestException": {"status_code": REQUIRED, "content": "None"},
    "list_result:ListResult": dict.fromkeys(("data", "total", "start", "sort", "order", "size"), REQUIRED),
    "request_converter:convert_from_engine_rest_variable": {"o": REQUIRED},
    "response_converter:convert_to_external_worker_job_response": {"o": REQUIRED},
    "response_converter:convert_to_external_worker_acquire_job_response": {"o": REQUIRED},
    "response_converter:convert_to_engine_rest_variable": {"o": REQUIRED},
    "restclient:FlowableExternalWorkerRestClient": {
        "flowable_host": REQUIRED,
        "worker_id": REQUIRED,
        "auth": "None",
        "customize_session": "a function",
    },
    "restclient:FlowableExternalWorkerRestClient.list_jobs": {},
    "restclient:FlowableExternalWorkerRestClient.get_job": {"job_id": REQUIRED},
    "restclient:FlowableExternalWorkerRestClient.acquire_jobs": {
        "topic": REQUIRED,
        "lock_duration": REQUIRED,
        "number_of_tasks": "1",
        "number_of_retries": "5",
        "worker_id": "None",
        "scope_type": "None",
    },
    "restclient:FlowableExternalWorkerRestClient.complete_job": {
        "job_id": REQUIRED,
        "variables": "None",
        "worker_id": "None",
    },
    "restclient:FlowableExternalWorkerRestClient.job_with_bpmn_error": {
        "job_id": REQUIRED,
        "variables": "None",
        "error_code": "None",
        "worker_id": "None",
    },
    "restclient:FlowableExternalWorkerRestClient.fail_job": {
        "job_id": REQUIRED,
        "error_message": "None",
        "error_details": "None",
        "retries": "None",
        "retry_timeout": "None",
        "worker_id": "None",
    },
    "restclient:FlowableExternalWorkerRestClient.job_with_cmmn_terminate": {
        "job_id": REQUIRED,
        "variables": REQUIRED,
        "worker_id": "None",
    },
    "utils:parse_date_time": {"date": REQUIRED},
    "worker_result:WorkResult.execute": {"rest_client": REQUIRED},
    "worker_result:WorkResultWithVariables": {},
    "worker_result:WorkResultWithVariables.variable_string": {"name": REQUIRED, "value": REQUIRED},
    "worker_result:WorkResultWithVariables.variable_int": {"name": REQUIRED, "value": REQUIRED},
    "worker_result:WorkResultWithVariables.variable_float": {"name": REQUIRED, "value": REQUIRED},
    "worker_result:WorkResultWithVariables.variable_boolean": {"name": REQUIRED, "value": REQUIRED},
    "worker_result:WorkResultWithVariables.variable_json": {"name": REQUIRED, "value": REQUIRED},
    "worker_result:WorkerResultSuccess": {"job": REQUIRED},
    "worker_result:WorkerResultSuccess.execute": {"rest_client": REQUIRED},
    "worker_result:WorkerResultBpmnError": {"job": REQUIRED},
    "worker_result:WorkerResultBpmnError.error_code": {"error_code": REQUIRED},
    "worker_result:WorkerResultBpmnError.execute": {"rest_client": REQUIRED},
    "worker_result:WorkerResultCmmnTerminate": {"job": REQUIRED},
    "worker_result:WorkerResultCmmnTerminate.execute": {"rest_client": REQUIRED},
    "worker_result:WorkerResultFailure": {"job": REQUIRED},
    "worker_result:WorkerResultFailure.error_message": {"error_message": REQUIRED},
    "worker_result:WorkerResultFailure.error_details": {"error_details": REQUIRED},
    "worker_result:WorkerResultFailure.retries": {"retries": REQUIRED},
    "worker_result:WorkerResultFailure.retry_timeout": {"retry_timeout": REQUIRED},
    "worker_result:WorkerResultFailure.execute": {"rest_client": REQUIRED},
}

#: Names of the package itself, and the module where each one lived besides. Empty: only in the package.
EXPORTS = {
    "CallbackHandlerType": "",
    "EngineRestVariable": "engine_rest_variable",
    "ExternalWorkerAcquireJobResponse": "external_worker_acquire_job_response",
    "ExternalWorkerClient": "",
    "ExternalWorkerSubscription": "",
    "FlowableExternalWorkerRestClient": "restclient",
    "WorkResult": "worker_result",
    "WorkerResultBpmnError": "worker_result",
    "WorkerResultBuilder": "",
    "WorkerResultCmmnTerminate": "worker_result",
    "WorkerResultFailure": "worker_result",
    "WorkerResultSuccess": "worker_result",
}

MODULES = {
    "cloud_token": ["FlowableCloudToken"],
    "engine_rest_variable": ["EngineRestVariable"],
    "external_worker_acquire_job_response": ["ExternalWorkerAcquireJobResponse"],
    "external_worker_job_response": ["ExternalWorkerJobResponse"],
    "flowable_rest_exception": ["FlowableRestException"],
    "list_result": ["ListResult"],
    "request_converter": ["convert_from_engine_rest_variable"],
    "response_converter": [
        "convert_to_engine_rest_variable",
        "convert_to_external_worker_acquire_job_response",
        "convert_to_external_worker_job_response",
    ],
    "restclient": ["JOB_API", "FlowableExternalWorkerRestClient", "FlowableRestException"],
    "utils": ["parse_date_time"],
    "worker_result": [
        "WorkResult",
        "WorkResultWithVariables",
        "WorkerResultBpmnError",
        "WorkerResultCmmnTerminate",
        "WorkerResultFailure",
        "WorkerResultSuccess",
    ],
}


def a_job(job_id: str = "job-1") -> ExternalWorkerAcquireJobResponse:
    """Return a job as an acquire brings it."""
    return convert_to_external_worker_acquire_job_response(job_json(job_id))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize("name", EXPORTS)
def test_the_package_exports_the_name(name: str) -> None:
    """`from flowable.external_worker_client import X` works, `import *` included."""
    package = importlib.import_module(PACKAGE)
    assert hasattr(package, name)
    assert name in package.__all__


@pytest.mark.parametrize(("name", "module"), [(name, module) for name, module in EXPORTS.items() if module])
def test_a_name_is_the_same_object_in_both_places(name: str, module: str) -> None:
    """What the package exports is what its module has, so `isinstance` and `except` agree."""
    assert find(f":{name}") is find(f"{module}:{name}")


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in MODULES.items() for name in names])
def test_a_module_has_the_name(module: str, name: str) -> None:
    """`from flowable.external_worker_client.module import X` works."""
    assert find(f"{module}:{name}") is not None


def test_restclient_re_exports_the_exception() -> None:
    """`restclient.FlowableRestException` is the one that is raised."""
    assert find("restclient:FlowableRestException") is FlowableRestException


def test_the_api_path() -> None:
    """`JOB_API` is a text that programs put together with a host."""
    assert JOB_API == "/external-job-api"


# ---------------------------------------------------------------- signatures


@pytest.mark.parametrize(("name", "expected"), SIGNATURES.items(), ids=SIGNATURES)
def test_a_signature_begins_as_it_was(name: str, expected: dict[str, str]) -> None:
    """Same parameters in the same order, positional or named, same defaults; what is new has to be named."""
    found = parameters(find(name))
    old = [
        [parameter, kind, "a function" if parameter == "customize_session" and default == "None" else default]
        for parameter, kind, default in found
        if parameter in expected
    ]
    assert old == [[parameter, "POSITIONAL_OR_KEYWORD", default] for parameter, default in expected.items()]
    new = [(kind, default) for parameter, kind, default in found if parameter not in expected]
    assert [
        each for each in new if each[0] != "VAR_KEYWORD" and (each[0] != "KEYWORD_ONLY" or each[1] == REQUIRED)
    ] == []


def test_the_acquired_job_takes_the_variables_first() -> None:
    """`ExternalWorkerAcquireJobResponse(variables, *args, **kwargs)`."""
    assert parameters(ExternalWorkerAcquireJobResponse) == [
        ["variables", "POSITIONAL_OR_KEYWORD", REQUIRED],
        ["args", "VAR_POSITIONAL", REQUIRED],
        ["kwargs", "VAR_KEYWORD", REQUIRED],
    ]


def test_the_table_is_what_version_1_has(predecessor: Path) -> None:
    """The table of this file says the truth about 1.0.2."""
    found = json.loads(run(predecessor, HERE / "surface.py", *SIGNATURES))
    assert found == {
        name: [[parameter, "POSITIONAL_OR_KEYWORD", default] for parameter, default in expected.items()]
        for name, expected in SIGNATURES.items()
    }


def test_the_names_are_what_version_1_has(predecessor: Path) -> None:
    """So do the lists of names."""
    exports = [f":{name}" for name in EXPORTS]
    members = [f"{module}:{name}" for module, names in MODULES.items() for name in names]
    source = (
        "import sys; sys.path.insert(0, sys.argv[1]); import surface\n"
        "for name in sys.argv[2:]: surface.find(name); print(name)"
    )
    assert run(predecessor, "-c", source, HERE, *exports, *members).split() == exports + members


# ---------------------------------------------------------------- the rows of the table


def test_a_cloud_token_is_an_auth_of_requests() -> None:
    """It keeps the token, is equal to one with the same token, and sets the header."""
    token = FlowableCloudToken("secret-1")
    assert isinstance(token, AuthBase)
    assert token.token == "secret-1"
    assert token == FlowableCloudToken("secret-1")
    assert token != FlowableCloudToken("secret-2")
    assert token != "secret-1"
    request = PreparedRequest()
    request.prepare(method="GET", url="http://engine.test/", headers={"X-Kept": "yes"})
    assert token(request) is request
    assert dict(request.headers) == {"X-Kept": "yes", "Authorization": "Bearer secret-1"}


def test_a_variable_has_attributes_named_like_its_parameters() -> None:
    """Positional and named make the same; the URL can be left out."""
    positional = EngineRestVariable("n", "string", "v", "http://engine.test/v")
    named = EngineRestVariable(name="n", type="string", value="v", value_url="http://engine.test/v")
    assert (
        vars(positional)
        == vars(named)
        == {
            "name": "n",
            "type": "string",
            "value": "v",
            "value_url": "http://engine.test/v",
        }
    )
    assert EngineRestVariable("n", "json", {"a": 1}).value_url is None


def test_a_job_takes_its_members_by_position() -> None:
    """Eighteen values, in this order."""
    job = ExternalWorkerJobResponse(*JOB_MEMBERS)  # type: ignore[arg-type]
    assert {name: getattr(job, name) for name in JOB_MEMBERS} == {name: name for name in JOB_MEMBERS}


def test_a_job_takes_its_members_by_name() -> None:
    """The same eighteen, named."""
    job = ExternalWorkerJobResponse(**{name: f"the {name}" for name in JOB_MEMBERS})  # type: ignore[arg-type]
    assert {name: getattr(job, name) for name in JOB_MEMBERS} == {name: f"the {name}" for name in JOB_MEMBERS}


@pytest.mark.parametrize("by_name", [False, True], ids=["positional", "named"])
def test_an_acquired_job_is_a_job_with_variables(by_name: bool) -> None:
    """A subclass; the other members go on to the base."""
    variables = [EngineRestVariable("n", "string", "v")]
    members = {name: f"the {name}" for name in JOB_MEMBERS}
    job = (
        ExternalWorkerAcquireJobResponse(variables, **members)
        if by_name
        else ExternalWorkerAcquireJobResponse(variables, *members.values())
    )
    assert isinstance(job, ExternalWorkerJobResponse)
    assert job.variables is variables
    assert {name: getattr(job, name) for name in JOB_MEMBERS} == members


def test_a_list_result_has_attributes_named_like_its_parameters() -> None:
    """It is generic too: `ListResult[Job]` in annotations."""
    data = [1, 2]
    page = ListResult(data, 12, 10, "id", "asc", 2)
    assert page.data is data
    assert (page.total, page.start, page.sort, page.order, page.size) == (12, 10, "id", "asc", 2)
    assert get_args(ListResult[int]) == (int,)


def test_a_variable_is_converted_to_four_members() -> None:
    """`name`, `type`, `value`, `valueUrl`, also those that are `None`."""
    assert convert_from_engine_rest_variable(EngineRestVariable("n", "json", {"a": None})) == {
        "name": "n",
        "type": "json",
        "value": {"a": None},
        "valueUrl": None,
    }


def test_a_variable_is_converted_from_json() -> None:
    """Members that are missing are `None`."""
    full = convert_to_engine_rest_variable({"name": "n", "type": "integer", "value": 5, "valueUrl": "u", "more": 1})
    assert isinstance(full, EngineRestVariable)
    assert vars(full) == {"name": "n", "type": "integer", "value": 5, "value_url": "u"}
    assert vars(convert_to_engine_rest_variable({})) == dict.fromkeys(("name", "type", "value", "value_url"))


def expected_members(**changed: Any) -> dict[str, Any]:
    """Return the attributes that `job_json("job-1")` is read as."""
    return {
        "id": "job-1",
        "url": "http://engine.test/flowable-rest/external-job-api/jobs/job-1",
        "correlation_id": "correlation-job-1",
        "process_instance_id": "instance-1",
        "execution_id": "execution-1",
        "scope_id": None,
        "sub_scope_id": None,
        "scope_definition_id": None,
        "scope_type": None,
        "element_id": "task",
        "element_name": "The task",
        "retries": 3,
        "exception_message": None,
        "due_date": None,
        "create_time": datetime(2026, 5, 4, 10, 25, 45, 583000),  # noqa: DTZ001 - naive on purpose
        "tenant_id": "",
        "lock_owner": "worker-1",
        "lock_expiration_time": datetime(2026, 5, 4, 10, 26, 45),  # noqa: DTZ001 - naive on purpose
        **changed,
    }


def test_a_job_is_converted_from_json() -> None:
    """Every member finds its attribute."""
    job = convert_to_external_worker_job_response(job_json("job-1"))
    assert type(job) is ExternalWorkerJobResponse
    assert {name: getattr(job, name) for name in JOB_MEMBERS} == expected_members()


def test_a_job_of_a_case_is_converted_from_json() -> None:
    """The members of a case find theirs too, and the due date."""
    members = {
        "scopeId": "s",
        "subScopeId": "ss",
        "scopeDefinitionId": "sd",
        "scopeType": "cmmn",
        "exceptionMessage": "e",
    }
    job = convert_to_external_worker_job_response(job_json("job-1", dueDate="2026-01-02T03:04:05Z", **members))
    assert {name: getattr(job, name) for name in JOB_MEMBERS} == expected_members(
        scope_id="s",
        sub_scope_id="ss",
        scope_definition_id="sd",
        scope_type="cmmn",
        exception_message="e",
        due_date=datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - naive on purpose
    )


def test_an_acquired_job_is_converted_from_json() -> None:
    """With its variables, in their order."""
    job = convert_to_external_worker_acquire_job_response(
        job_json("job-1", ({"name": "a", "type": "string", "value": "x"}, {"name": "b", "value": None}))
    )
    assert type(job) is ExternalWorkerAcquireJobResponse
    assert {name: getattr(job, name) for name in JOB_MEMBERS} == expected_members()
    assert [vars(variable) for variable in job.variables] == [
        {"name": "a", "type": "string", "value": "x", "value_url": None},
        {"name": "b", "type": None, "value": None, "value_url": None},
    ]


def test_a_job_knows_its_process_definition() -> None:
    """New: version 1 dropped it."""
    assert convert_to_external_worker_job_response(job_json("job-1")).process_definition_id == "definition-1"


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (WorkerResultBuilder.success, WorkerResultSuccess),
        (WorkerResultBuilder.failure, WorkerResultFailure),
        (WorkerResultBuilder.bpmn_error, WorkerResultBpmnError),
        (WorkerResultBuilder.cmmn_terminate, WorkerResultCmmnTerminate),
    ],
    ids=["success", "failure", "bpmn_error", "cmmn_terminate"],
)
def test_the_builder_makes_outcomes(make: Callable[[WorkerResultBuilder], WorkResult], kind: type[WorkResult]) -> None:
    """A new one each time, of the class that programs name."""
    builder = WorkerResultBuilder(a_job())
    outcome = make(builder)
    assert type(outcome) is kind
    assert isinstance(outcome, WorkResult)
    assert isinstance(outcome, WorkResultWithVariables) is (kind is not WorkerResultFailure)
    assert make(builder) is not outcome


def test_people_can_derive_outcomes() -> None:
    """`WorkResult` can be a base of people's own classes, with or without `execute`."""

    class Own(WorkResult):
        pass

    assert isinstance(Own(), WorkResult)
    assert not isinstance(WorkResult, abc.ABCMeta)


def test_a_rest_client_has_the_attributes() -> None:
    """One slash at the end of the host is removed, the worker id is kept, the session is one of requests."""
    client = FlowableExternalWorkerRestClient("http://engine.test/flowable-rest/", "worker-1")
    assert client.flowable_host == "http://engine.test/flowable-rest"
    assert client.worker_id == "worker-1"
    assert type(client.request_session) is Session
    client.request_session.close()


@pytest.mark.parametrize("host", ["http://engine.test", "http://engine.test/"])
def test_a_host_without_a_path_is_kept(host: str) -> None:
    """With or without the slash."""
    client = FlowableExternalWorkerRestClient(host, "worker-1", None, None)
    assert client.flowable_host == "http://engine.test"
    client.request_session.close()


def test_a_client_has_a_rest_client() -> None:
    """`client._restClient` is there, with host, worker id, auth and the session that was customized."""
    auth = FlowableCloudToken("token")
    sessions: list[Session] = []
    client = ExternalWorkerClient("http://engine.test/", "worker-1", auth, sessions.append)
    assert type(client._restClient) is FlowableExternalWorkerRestClient
    assert client._restClient.flowable_host == "http://engine.test"
    assert client._restClient.worker_id == "worker-1"
    assert client._restClient.request_session.auth is auth
    assert [session is client._restClient.request_session for session in sessions] == [True]
    client._restClient.request_session.close()


def test_a_subscription_can_be_made_of_a_thread_and_an_event() -> None:
    """People who run their own loop use the class as it is."""
    event = threading.Event()
    thread = threading.Thread(target=event.wait)
    thread.start()
    subscription = ExternalWorkerSubscription(thread, event)
    assert subscription.thread is thread
    assert subscription.event is event
    subscription.unsubscribe()
    assert event.is_set()
    assert not thread.is_alive()


def test_parse_date_time_is_naive_utc() -> None:
    """`utils.parse_date_time` gives what version 1 gave."""
    assert parse_date_time("2026-05-04T10:25:45.583Z") == datetime(2026, 5, 4, 10, 25, 45, 583000)  # noqa: DTZ001
    assert parse_date_time(None) is None


def test_public_functions_are_annotated() -> None:
    """The package is typed: every parameter of the table has an annotation."""
    bare = [
        f"{name}({parameter.name})"
        for name in SIGNATURES
        for parameter in inspect.signature(find(name)).parameters.values()
        if parameter.name != "self" and parameter.annotation is inspect.Parameter.empty
    ]
    assert bare == []


# ---------------------------------------------------------------- the namespace


def test_flowable_is_a_namespace() -> None:
    """No `flowable/__init__.py` of ours: others may put packages beside this one."""
    assert getattr(flowable, "__file__", None) is None
    assert not (OURS / "flowable" / "__init__.py").exists()
    assert (OURS / "flowable" / "external_worker_client" / "py.typed").is_file()


def test_another_part_of_the_namespace_can_be_anywhere(tmp_path: Path) -> None:
    """A package `flowable.…` in another folder of the path is found, and so are we."""
    (tmp_path / "flowable" / "other").mkdir(parents=True)
    (tmp_path / "flowable" / "other" / "__init__.py").write_text("")
    source = (
        "import sys; sys.path.append(sys.argv[1])\n"
        "import flowable.other, flowable.external_worker_client as ours\n"
        "print(len(ours.__all__) > 0, flowable.__file__)"
    )
    assert run(OURS, "-c", source, tmp_path).split() == ["True", "None"]


def test_the_distribution_keeps_its_name() -> None:
    """The sibling requires it by that name; the major version is 2."""
    assert importlib.metadata.version("flowable.external-worker-client").split(".")[0] == "2"


def test_dates_made_aware_compare_with_aware_ones() -> None:
    """A naive date of a job is UTC: with that zone set it is the moment the engine named."""
    job = convert_to_external_worker_job_response(job_json("j", createTime="2026-05-04T12:25:45+02:00"))
    assert job.create_time is not None
    assert job.create_time.replace(tzinfo=UTC) == datetime(2026, 5, 4, 10, 25, 45, tzinfo=UTC)
