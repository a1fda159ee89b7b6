"""Amazon Data Lifecycle Manager: policies that make snapshots and images by schedules, and delete the oldest."""
