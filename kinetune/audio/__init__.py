"""Sound: sound files, mel spectrograms, Griffin-Lim, loudness, beats."""
