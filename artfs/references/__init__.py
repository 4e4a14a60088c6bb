"""References: content left where it is, at a URI. Finding it, telling whether it is still the same, fetching ranges of it."""
