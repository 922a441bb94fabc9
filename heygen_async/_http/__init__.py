"""One request, then as many as it takes: transport, limits, retries, hooks, writes that survive a cancel."""
