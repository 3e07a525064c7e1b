"""``python -m kinetune``: the command line."""

from kinetune.cli.main import run

if __name__ == "__main__":
    run()
