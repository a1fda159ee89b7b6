"""AWS Security Token Service: who is asking, and credentials that end."""
