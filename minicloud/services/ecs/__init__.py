"""Amazon ECS: there are no clusters. Tools that look for what uses a role ask it."""
