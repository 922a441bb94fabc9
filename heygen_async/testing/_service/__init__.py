"""What the simulated service knows and answers, without I/O."""
