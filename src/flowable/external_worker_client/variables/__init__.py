"""Variables of processes and cases: from the engine's types to Python's and back.

```python
read(EngineRestVariable("due", "localDate", "2026-02-28"))  # datetime.date(2026, 2, 28)
write("price", Decimal("19.90"))  # type bigDecimal, value "19.90"
write("size", Typed(5, "short"))  # type short, value 5
```

What would be damaged on its way is refused, or shows itself as `Unreadable`. The one loss is that the engine keeps
moments to the millisecond.
"""

from __future__ import annotations

from flowable.external_worker_client.errors import MissingVariableError, UnreadableVariableError
from flowable.external_worker_client.variables.reading import read
from flowable.external_worker_client.variables.releases import Release, check, release
from flowable.external_worker_client.variables.table import TYPES, VariableType
from flowable.external_worker_client.variables.typed import Typed
from flowable.external_worker_client.variables.unreadable import Unreadable
from flowable.external_worker_client.variables.writing import write

__all__ = [
    "TYPES",
    "MissingVariableError",
    "Release",
    "Typed",
    "Unreadable",
    "UnreadableVariableError",
    "VariableType",
    "check",
    "read",
    "release",
    "write",
]
