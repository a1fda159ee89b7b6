"""Measurements. Each module is one: `scripts/bench NAME` runs it inside a laboratory."""
