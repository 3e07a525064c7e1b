"""Music written and rendered bar by bar, ahead of the body."""
