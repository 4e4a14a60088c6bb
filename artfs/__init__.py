"""artfs: a versioned artifact file system for machine learning."""
