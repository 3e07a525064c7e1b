"""Music by the composer: the engine under ``generate`` and ``edit``, and all that notes allow."""
