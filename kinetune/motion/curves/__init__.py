"""Any curves over time as a dancer: a camera, a crowd, a ball, a pulse."""
