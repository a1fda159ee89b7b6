"""Credentials of instances' roles, as the metadata service gives them out: those of STS, the same ones until they are to end.

They are kept in memory only. A daemon that was restarted makes others; those that guests have stay good until their time.
"""

import threading
import time
from collections.abc import Callable

from ..aws import times
from ..cloud import Cloud
from ..metadata.tree import json_text
from ..services.sts import sessions

RENEW = 3600.0
"""Seconds before the end of credentials at which others take their place; guests ask for new ones later than that."""


class Credentials:
    """Those of all instances."""

    def __init__(self, cloud: Cloud, clock: Callable[[], float] = time.time) -> None:
        self._cloud, self._clock = cloud, clock
        self._kept: dict[tuple[str, str], tuple[float, str]] = {}
        self._lock = threading.Lock()

    def of(self, instance_id: str, role: str) -> str:
        """The document of an instance with this role, as JSON."""
        now = self._clock()
        there = sessions.role_of_guest(self._cloud, instance_id)
        which = there.id if there else role  # a role that was made again under its name has other credentials
        with self._lock:
            until, text = self._kept.get((instance_id, which), (0.0, ""))
            if not 0 < until - now <= sessions.GUEST_SECONDS:
                until, text = self._make(instance_id, now)
                self._kept = {key: kept for key, kept in self._kept.items() if 0 < kept[0] - now <= sessions.GUEST_SECONDS}
                self._kept[instance_id, which] = until, text
            return text

    def _make(self, instance_id: str, now: float) -> tuple[float, str]:
        found = sessions.of_guest(self._cloud, instance_id, now)
        if found is None:  # the profile has gone in this moment
            return now, json_text({"Code": "AssumeRoleUnauthorizedAccess", "LastUpdated": times.whole(times.text(now))})
        made = found[1]
        document = {
            "Code": "Success",
            "LastUpdated": times.whole(times.text(now)),
            "Type": "AWS-HMAC",
            "AccessKeyId": made["AccessKeyId"],
            "SecretAccessKey": made["SecretAccessKey"],
            "Token": made["SessionToken"],
            "Expiration": times.whole(made["Expiration"]),
        }
        return times.seconds(made["Expiration"]) - RENEW, json_text(document)
