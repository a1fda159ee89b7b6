"""AWS Certificate Manager, as far as load balancers need it: certificates that somebody brings."""
