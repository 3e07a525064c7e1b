"""Evaluation of folders of music and dances: tables, intervals and pictures."""
