"""``kinetune live``."""
