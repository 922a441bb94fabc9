"""Move bytes: upload, download, resume."""
