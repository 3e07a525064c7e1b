"""Music and dance made to be learned from: paired, seeded, free of anyone's rights."""
