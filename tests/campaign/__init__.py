"""Campaigns: long random histories of valid operations, kills and faults, and a checker of what must hold after each step.

`history` plays one history, which follows from its seed alone; `operations` and `faults` are what can happen in it; `model`
says what volumes and snapshots must read as and which packets may pass; `checks` holds the cloud against it; `grounds` are
the hosts that it is played on: the fake one, and the real one in a laboratory. `scripts/campaign` plays them by the hour.
"""
