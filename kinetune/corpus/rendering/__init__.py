"""Notes to sound: instruments, mix and master."""
