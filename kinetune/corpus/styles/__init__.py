"""The music of the ten genres as tables: one TOML file a genre, and the loader."""
