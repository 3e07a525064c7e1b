"""The body's beat while it dances, and the music's beats that keep step with it."""
