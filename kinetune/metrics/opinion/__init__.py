"""Opinion scores of listeners: screening, means with intervals, preferences, power."""
