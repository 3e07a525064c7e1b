"""What a piece becomes: stems, notes, layers, practice tempi, chord files."""
