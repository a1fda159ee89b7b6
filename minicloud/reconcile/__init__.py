"""Making the host as it is wished to be. Plans are pure; only what executes them touches the host."""
