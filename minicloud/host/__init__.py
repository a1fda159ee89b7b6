"""Everything that touches the host. `contracts.py` says what is promised; the other files keep the promises."""
