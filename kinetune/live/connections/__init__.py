"""Where motion comes from, and where sound and beats go."""
