"""`RealEngine`, without a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from flowable.external_worker_client.testing.real_engine import RealEngineError, RealVariable

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.models import Model

    from flowable.external_worker_client.testing.real_engine import RealEngine


def test_variables_come_back_with_their_types(real_engine: RealEngine, models: Callable[[str], Model]) -> None:
    """What an instance is started with is what `variables` returns."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(
        model.key, {"text": "x", "number": 3, "list": [1, "b"], "long": RealVariable("long", 4), "nothing": None}
    )
    assert real_engine.variables(instance) == {
        "text": RealVariable("string", "x"),
        "number": RealVariable("integer", 3),
        "list": RealVariable("json", [1, "b"]),
        "long": RealVariable("long", 4),
        "nothing": RealVariable("null", None),
    }


def test_a_wait_that_ends_in_vain_says_where_the_instance_is(
    real_engine: RealEngine, models: Callable[[str], Model]
) -> None:
    """Without a worker the instance stays at its task, and the error says so."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key)
    with pytest.raises(RealEngineError) as caught:
        real_engine.wait_for_end(instance, deadline=0.1)
    assert str(caught.value) == (
        f"Process instance {instance} did not end within 0.1 s: it entered ['start', 'work'], has 1 external jobs, "
        "0 jobs of the engine, 0 for later, and dead letters []"
    )


def test_suspension_takes_the_job_away_and_activation_brings_it_back(
    real_engine: RealEngine, models: Callable[[str], Model]
) -> None:
    """The job of a suspended instance is in another list until the instance is active again."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key)
    real_engine.suspend(instance)
    assert real_engine.external_job_count(instance) == 0
    assert real_engine.job_count("suspended-jobs", instance) == 1
    real_engine.activate(instance)
    assert real_engine.external_job_count(instance) == 1
    assert real_engine.job_count("suspended-jobs", instance) == 0


def test_a_deleted_instance_has_ended_and_its_job_is_gone(
    real_engine: RealEngine, models: Callable[[str], Model]
) -> None:
    """Deleting is one way to end."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text)
    instance = real_engine.start_process(model.key)
    assert not real_engine.instance_ended(instance)
    real_engine.delete(instance)
    assert real_engine.instance_ended(instance)
    assert real_engine.external_job_count(instance) == 0
    assert real_engine.instances(model.key, ended=True) == [instance]


def test_a_tenant_keeps_its_own_process(real_engine: RealEngine, models: Callable[[str], Model]) -> None:
    """A process that was deployed for a tenant is started for that tenant only."""
    model = models("task.bpmn20.xml")
    real_engine.deploy(model.text, tenant="acme")
    with pytest.raises(RealEngineError, match="status 400"):
        real_engine.start_process(model.key)
    assert real_engine.external_job_count(real_engine.start_process(model.key, tenant="acme")) == 1


def test_a_refused_model_is_reported(real_engine: RealEngine) -> None:
    """What the engine says about a model that it does not take is in the error."""
    with pytest.raises(RealEngineError, match="POST /service/repository/deployments: status 500"):
        real_engine.deploy("<definitions/>")
    with pytest.raises(ValueError, match="no <case id"):
        real_engine.deploy_case("<definitions/>")
    with pytest.raises(ValueError, match="at least one"):
        real_engine.deploy()
