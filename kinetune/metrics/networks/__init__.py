"""The networks some metrics need, and their weights."""
