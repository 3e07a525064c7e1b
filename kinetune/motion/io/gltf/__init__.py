"""glTF 2.0: the container, its nodes, and the animation curves of a skeleton."""
