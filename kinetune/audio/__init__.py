"""What was heard: sound files, mel spectrograms, Griffin-Lim, loudness, beats."""
