"""AWS CodeBuild: there are no projects. Tools that look for what uses a security group ask it."""
