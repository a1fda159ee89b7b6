"""AWS Batch: there are no compute environments. Tools that look for what uses a security group ask it."""
