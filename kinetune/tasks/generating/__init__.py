"""Generation of music for motion files, step by step: request, jobs, music, files."""
