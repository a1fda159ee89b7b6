"""What metrics mean: statistics, metric math, when an alarm is in which state. Operations and the loop both ask it."""
