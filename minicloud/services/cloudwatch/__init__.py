"""CloudWatch: metrics, alarms, dashboards. Alarms are evaluated by `reconcile/alarms.py`."""
