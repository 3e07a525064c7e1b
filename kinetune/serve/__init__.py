"""The HTTP API: upload a motion, have music made for it, fetch the files.

One process answers requests; worker processes read motions and make music, so that a crash there
doesn't end the server. Motions, jobs and files live in a data folder and survive a restart.
"""
