"""The front door: one file a verb."""
