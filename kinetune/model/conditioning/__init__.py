"""User controls in addition to the dance: sections, accents, dynamics, bars."""
