"""What a person asks for beside the dance: sections, accents, dynamics, bars."""
