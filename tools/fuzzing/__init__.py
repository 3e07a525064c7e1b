"""The parts of tools/fuzz_readers.py: mutations of content, and readers with valid files."""
