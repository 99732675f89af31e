"""Process instances by the thousand on the real engine, and what is left of them.

Thousands of requests to start one would take longer than what is measured. So the engine starts them itself: a process
with a service task that is done a few hundred times, in one transaction, and each time starts an instance of the other.
"""

from __future__ import annotations

import http.client
import json
import time
from base64 import b64encode
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

from side_by_side.places import BenchmarkError

from flowable.external_worker_client.testing.real_engine import RealEngine

AT_ONCE: Final = 250  # instances in one transaction
TIME_OUT: Final = 120.0  # seconds, for one request
LOOK_AGAIN: Final = 0.01  # seconds

WORK: Final = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:flowable="http://flowable.org/bpmn" targetNamespace="https://example.org/benchmarks">
  <process id="{key}" isExecutable="true">
    <startEvent id="start"/><sequenceFlow id="a" sourceRef="start" targetRef="work"/>
    <serviceTask id="work" flowable:type="external-worker" flowable:topic="{topic}"/>
    <sequenceFlow id="b" sourceRef="work" targetRef="end"/><endEvent id="end"/>
  </process>
</definitions>"""

STARTER: Final = """<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:flowable="http://flowable.org/bpmn" targetNamespace="https://example.org/benchmarks">
  <process id="starter" isExecutable="true">
    <startEvent id="start"/><sequenceFlow id="a" sourceRef="start" targetRef="each"/>
    <serviceTask id="each" flowable:expression="${runtimeServiceBean.startProcessInstanceByKey(key)}">
      <multiInstanceLoopCharacteristics isSequential="true">
        <loopCardinality>${number}</loopCardinality>
      </multiInstanceLoopCharacteristics>
    </serviceTask>
    <sequenceFlow id="b" sourceRef="each" targetRef="end"/><endEvent id="end"/>
  </process>
</definitions>"""


class Instances:
    """One engine's process instances, inside of a `with` block.

    Args:
        url: Of the engine.
        username: For basic authentication.
        password: For basic authentication.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        credentials = b64encode(f"{username}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIME_OUT)
        self._deploys = RealEngine(url, username, password)
        self._definitions: dict[str, str] = {}

    def __enter__(self) -> Self:
        self._deploys.deploy(STARTER)
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()
        self._deploys.__exit__(None, None, None)

    def deploy(self, *topics: str) -> None:
        """Deploy a process of one external worker task for each topic, with the same name as the topic."""
        self._deploys.deploy(*(WORK.format(key=topic, topic=topic) for topic in topics))
        for topic in topics:
            found = self._ask(
                "GET", f"/service/repository/process-definitions?{urlencode({'key': topic, 'latest': 'true'})}"
            )
            self._definitions[topic] = found["data"][0]["id"]

    def start(self, topic: str, number: int) -> None:
        """Start so many instances."""
        while number > 0:
            some = min(number, AT_ONCE)
            variables = [{"name": "key", "value": topic}, {"name": "number", "value": some}]
            body = {"processDefinitionKey": "starter", "variables": variables}
            self._ask("POST", "/service/runtime/process-instances", body)
            number -= some

    def open_jobs(self, topic: str) -> int:
        """Return how many external jobs are there, locked or not."""
        query = urlencode({"processDefinitionId": self._definitions[topic], "size": 1})
        return int(self._ask("GET", f"/external-job-api/jobs?{query}")["total"])

    def open_instances(self, topic: str) -> int:
        """Return how many instances have not ended: of jobs that are settled, the engine has more to do."""
        query = urlencode({"processDefinitionKey": topic, "size": 1})
        return int(self._ask("GET", f"/service/runtime/process-instances?{query}")["total"])

    def wait_settled(self, *topics: str, deadline: float) -> float:
        """Wait until no external job is left, and return when that was, in seconds since 1970.

        Args:
            topics: Of the jobs.
            deadline: How long to wait, in seconds.

        Raises:
            BenchmarkError: It took longer.
        """
        ends = time.monotonic() + deadline
        for topic in topics:
            while left := self.open_jobs(topic):
                if time.monotonic() > ends:
                    raise BenchmarkError(f"{left} jobs of {topic} are left after {deadline:g} s")
                time.sleep(LOOK_AGAIN)
        return time.time()

    def wait_ended(self, *topics: str, deadline: float) -> None:
        """Wait until all instances have ended.

        Raises:
            BenchmarkError: It took longer, in seconds, than `deadline`.
        """
        ends = time.monotonic() + deadline
        for topic in topics:
            while left := self.open_instances(topic):
                if time.monotonic() > ends:
                    raise BenchmarkError(f"{left} instances of {topic} have not ended after {deadline:g} s")
                time.sleep(10 * LOOK_AGAIN)

    def _ask(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        text = None if body is None else json.dumps(body)
        try:
            self._connection.request(method, self._path + path, text, self._headers)
            answer = self._connection.getresponse()
        except (OSError, http.client.HTTPException):
            # The engine closes connections that were idle for a minute. Only what changes nothing is asked again.
            self._connection.close()
            if method != "GET":
                raise
            self._connection.request(method, self._path + path, text, self._headers)
            answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise BenchmarkError(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
        return json.loads(content) if content else None
