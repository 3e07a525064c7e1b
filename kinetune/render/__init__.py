"""Pictures and videos of a dance and its music."""
