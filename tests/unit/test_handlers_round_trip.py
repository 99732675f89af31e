"""Every row of the table of types through an annotation, on the embedded engine; tests/real has it on real ones."""

from __future__ import annotations

import pytest
from tests.real.test_variable_table import CASES, Case, assert_through_annotation, name_of

from flowable.external_worker_client import ExternalWorkerAcquireJobResponse, FlowableExternalWorkerRestClient
from flowable.external_worker_client.testing import EmbeddedAdapter, EmbeddedEngine, Process, Task
from flowable.external_worker_client.worker_result import WorkerResultBuilder


@pytest.fixture(scope="module")
def job() -> ExternalWorkerAcquireJobResponse:
    """The job of the second task, with what the first one wrote."""
    engine = EmbeddedEngine(Process("p", Task("give", "give"), Task("take", "take")))
    engine.start("p")
    adapter = EmbeddedAdapter(engine)
    client = FlowableExternalWorkerRestClient(adapter.url, "worker", customize_session=adapter.mount)
    (first,) = client.acquire_jobs("give", "PT5M")
    written = {name_of(case): case.value for case in CASES}
    WorkerResultBuilder(first).success().variables(written).execute(client)
    (second,) = client.acquire_jobs("take", "PT5M")
    client.request_session.close()
    return second


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_a_value_arrives_as_it_was_written(case: Case, job: ExternalWorkerAcquireJobResponse) -> None:
    """Equal in value and type."""
    assert_through_annotation(job, case)
