"""The session: create, send, review, and what to do when an answer is lost."""
