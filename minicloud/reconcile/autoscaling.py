"""Auto Scaling: observe all groups, plan for each, carry out. What one group cannot have keeps no other from what it needs.

What it asks of EC2, load balancers and CloudWatch, it asks by the operations that a user has, and so only records wishes:
their own reconcilers fulfil them, in the same pass.
"""

import copy
import logging
import time

from ..cloud import Cloud, Idle
from . import autoscaling_clock, autoscaling_metrics, autoscaling_schedule
from .autoscaling_execute import execute
from .autoscaling_look import views
from .autoscaling_plan import plan
from .autoscaling_view import View

log = logging.getLogger(__name__)


def reconcile(cloud: Cloud) -> bool:
    """One round over all groups; whether anything was done."""
    now = time.time()
    quiet = copy.copy(cloud)
    quiet.worker = Idle()
    autoscaling_clock.follow(quiet, now)
    acted = autoscaling_schedule.reconcile(quiet, now)
    looked = views(quiet, now)
    for view in looked:
        acted |= _see_to(quiet, view)
    autoscaling_metrics.put(quiet, looked, now)
    return acted


def _see_to(cloud: Cloud, view: View) -> bool:
    acted = False
    try:
        for action in plan(view):
            acted |= execute(cloud, view, action)
    except Exception:
        # A group that nobody foresaw must not keep the others from what they need.
        log.exception("group %s", view.group.name)
    return acted
