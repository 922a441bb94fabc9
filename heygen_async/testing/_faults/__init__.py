"""What the simulated service does wrong, and when."""
