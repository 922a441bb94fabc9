"""Answers with one flaw each, and what they must become."""
