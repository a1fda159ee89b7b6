"""AWS Lambda: there are no functions. Tools that look for what uses a thing ask it."""
