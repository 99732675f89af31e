"""From objects to what the engine reads."""

from __future__ import annotations

from typing import Any

from flowable.external_worker_client.engine_rest_variable import EngineRestVariable


def convert_from_engine_rest_variable(o: EngineRestVariable) -> dict[str, Any]:
    """Return a variable as a JSON object with `name`, `type`, `value` and `valueUrl`; missing ones are `None`.

    Members that are `None` are left out when the request is sent: the engine reads an absent one the same way.
    """
    return {
        "name": o.name,
        "type": o.type,
        "value": o.value,
        "valueUrl": o.value_url,
    }
