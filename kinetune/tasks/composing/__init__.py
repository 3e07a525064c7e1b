"""Tasks with the composer engine: generation, edits and symbolic outputs."""
