"""Motion: clips, file formats, kinematics, features, beats. NumPy and SciPy only."""
