"""Many jobs: a limit on those in progress, and the runner of one job."""
