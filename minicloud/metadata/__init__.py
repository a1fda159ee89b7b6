"""What an instance is told about itself: by the metadata service at any time, by its seed at each start."""
