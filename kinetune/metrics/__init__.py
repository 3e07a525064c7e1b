"""Metrics of dance music, computed from sound files of any system; never imports the model."""
