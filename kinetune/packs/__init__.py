"""Music as game engines and audio middleware import it: Godot, Unity, Unreal, Wwise, FMOD."""
