"""What the client costs, side by side with others in one run: `python -m benchmarks --help`."""
