"""The files of the simulated service and the links to them."""
