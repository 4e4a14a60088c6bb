"""Clients of what is reached over a network: credentials, errors, one retry policy. The only place that names vendors."""
