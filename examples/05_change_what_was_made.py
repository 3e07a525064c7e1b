"""Redo two bars, then keep the rhythm and change the style.

python examples/05_change_what_was_made.py
"""

import kinetune

music = kinetune.generate(kinetune.example_dance())
redone = kinetune.edit(music, redo=(2.4, 4.8), seed=7)
krump = kinetune.edit(music, genre="krump")
for name, piece in (("before", music), ("redone", redone), ("krump", krump)):
    print(piece.save(f"out/{name}.wav", overwrite=True), piece)
