"""Music for a dance as notes."""
