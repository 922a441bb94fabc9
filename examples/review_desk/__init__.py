"""The review desk: a small web app in which a team makes videos with the Video Agent."""
