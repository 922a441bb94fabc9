"""How requests reach the simulated service: in memory or over sockets."""
