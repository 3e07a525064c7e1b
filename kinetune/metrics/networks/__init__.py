"""Networks used by some metrics, and their weights."""
