"""Prompts: how a text is understood, before and as music is made of it."""

from fastapi import APIRouter, HTTPException

from kinetune.corpus.prompts.reader import Prompt
from kinetune.corpus.prompts.sentences import find_matcher
from kinetune.serve.routes.dependencies import PROBLEMS, SettingsNow
from kinetune.serve.schemas import PromptReading, PromptText
from kinetune.tasks.composing.engine import pipeline_for
from kinetune.tasks.generating.prompt import unheeded, with_prompt
from kinetune.tasks.requests.music_options import MusicOptions

router = APIRouter(responses=PROBLEMS)


@router.post("/v1/prompts")
def read_prompt(prompt: PromptText, settings: SettingsNow) -> PromptReading:
    """Return how a prompt is understood, and what the engine can't do of it."""
    if prompt.model not in settings.models:
        raise HTTPException(422, f"model: expected one of {', '.join(settings.models)}")
    options = with_prompt(MusicOptions(engine=prompt.engine), prompt.text)
    read = options.prompt or Prompt(prompt.text)
    model = pipeline_for(options, prompt.model, "cpu")
    rest = unheeded(options, reads_harmony=model.reads_harmony, attributes=model.attribute_names)
    return PromptReading(
        text=read.text,
        requested=list(read.requested),
        excluded=list(read.excluded),
        unknown=list(read.unknown),
        summary=read.summary(),
        not_followed=list(rest),
        matches_words=find_matcher() is not None,
    )


def with_read_prompt(options: MusicOptions) -> MusicOptions:
    """Return options with what a prompt requests that comes as a text alone.

    Raises:
        ConfigError: The prompt is empty.
    """
    if options.prompt is None or options.prompt != Prompt(options.prompt.text):
        return options
    return with_prompt(options, options.prompt.text)
