"""What a session's answers mean over time, and one scheduler that polls for all watchers."""
