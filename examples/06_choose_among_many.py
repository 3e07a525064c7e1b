"""A batch as any program would run it: a request in, results as they are made, JSON out.

python examples/06_choose_among_many.py [FOLDER OR FILES ...]
"""

import json
import sys
from pathlib import Path

import kinetune
from kinetune.tasks.generate import GenerateRequest, generate
from kinetune.tasks.requests.serialisation import from_json, to_json

dances = tuple(map(Path, sys.argv[1:])) or (kinetune.example_dance(),)
request = GenerateRequest(dances, Path("out"), variations=2, format="ogg", existing="replace")

# What can be sent to another machine, and read there:
text = json.dumps(to_json(request))
request = from_json(GenerateRequest, json.loads(text))

result = generate(request, on_piece=lambda piece: print(piece.rank, piece.output, piece.scores))
for failure in result.failures:
    print(failure.error, file=sys.stderr)
