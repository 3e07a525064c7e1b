"""What prompts request of a piece, and the attributes that it has."""
