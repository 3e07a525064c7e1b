"""Training of the networks that metrics use."""
