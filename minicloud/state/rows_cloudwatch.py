"""Rows of CloudWatch: alarms, what became of them, what they still have to do, dashboards. A field is a column of the same name.

The datapoints themselves are in a file of their own (`metrics.py`).
"""

import json
import uuid
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Alarm:
    """A metric alarm (`kind` MetricAlarm) or a composite one (CompositeAlarm).

    `settings` has what Put...Alarm was given, by AWS's names. `state` is OK, ALARM or INSUFFICIENT_DATA; `updated` is when
    its state, reason or data last changed, `transitioned` when the state did. `acted` is when its actions last ran.
    `makers` (callers.py) are who put it and who enabled its actions; `set_by` who set its present state, if anybody did.
    `suppressed_by` is WaitPeriod, ExtensionPeriod or Alarm where a composite alarm's actions are held back since `suppressed_at`.
    """

    name: str
    kind: str
    settings: dict[str, Any]
    actions_enabled: bool
    configured: str
    state: str = "INSUFFICIENT_DATA"
    reason: str = "Unchecked: Initial alarm creation"
    reason_data: str = ""
    updated: str = ""
    transitioned: str = ""
    evaluation_state: str = ""
    acted: str = ""
    suppressed_by: str = ""
    suppressed_at: str = ""
    suppressed_reason: str = ""
    makers: list[str] = field(default_factory=list)
    set_by: list[str] = field(default_factory=list)


@dataclass
class AlarmHistory:
    """One entry of an alarm's history; `id` counts. `item` is ConfigurationUpdate, StateUpdate or Action; `data` is JSON."""

    id: int | None
    alarm: str
    kind: str
    at: str
    item: str
    summary: str
    data: str


@dataclass
class AlarmAction:
    """An action that an alarm's change of state asked for and that has not been carried out. `details` are for the action.

    `makers` (callers.py) are all who are behind it.
    """

    id: str
    alarm: str
    arn: str
    created: str
    details: dict[str, Any] = field(default_factory=dict)
    makers: list[str] = field(default_factory=list)


@dataclass
class Notification:
    """A message on its way to a topic. `id` is its MessageId, the same at every attempt. `alarm` is whose history tells of it.

    `reason` is why the last attempt failed.
    """

    id: str
    topic: str
    subject: str
    message: str
    created: str
    alarm: str = ""
    attempts: int = 0
    due: str = ""
    reason: str = ""

    @classmethod
    def of(cls, topic: str, subject: str, body: dict[str, Any], created: str, *, alarm: str = "") -> "Notification":
        """A new message."""
        return cls(str(uuid.uuid4()), topic, subject, json.dumps(body), created, alarm)


@dataclass
class Dashboard:
    """A dashboard: a name and a JSON document."""

    name: str
    body: str
    modified: str
