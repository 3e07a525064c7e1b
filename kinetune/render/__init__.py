"""Pictures and films of a dance and its music."""
