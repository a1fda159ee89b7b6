"""Amazon EventBridge: there are no buses and no rules. Tools that look for what uses a security group ask it."""
