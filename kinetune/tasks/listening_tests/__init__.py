"""Listening tests that anyone can run: a folder of static files, and the score of the results."""

from kinetune.tasks.listening_tests.make import (
    MakeListeningTestRequest,
    MakeListeningTestResult,
    make_listening_test,
)
from kinetune.tasks.listening_tests.score import (
    ListeningTestScores,
    ScoreListeningTestRequest,
    score_listening_test,
)

__all__ = [
    "ListeningTestScores",
    "MakeListeningTestRequest",
    "MakeListeningTestResult",
    "ScoreListeningTestRequest",
    "make_listening_test",
    "score_listening_test",
]
