"""The prompt in the studio."""

import json

from tests.chromium import NEEDS_CHROMIUM
from tests.serve.studio.steps import drop, make, run_commands, save, settings, until

pytestmark = NEEDS_CHROMIUM


def prompt(page, text: str) -> str:
    """Write a prompt; return what the page says that is understood of it."""
    page.evaluate("document.getElementById('prompt-reading').textContent = ''")
    page.fill("#prompt", text)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('prompt-reading').textContent")
    return page.text_content("#prompt-reading")


def test_a_prompt_is_followed_as_on_the_command_line(page, dance, tmp_path):
    drop(page, dance)
    page.select_option("#engine", "composer")
    said = prompt(page, "dark house, o'purple;  a rubber bass, no piano")
    assert said.startswith("Understood: minor, dark, house, rubber bass, no piano; not understood")
    make(page, takes="1")
    sound = save(page, "dance.wav", tmp_path).read_bytes()
    recipe = save(page, "dance.json", tmp_path).read_bytes()
    read = json.loads(recipe)["kinetune"]["request"]["options"]["prompt"]
    assert read["text"] == "dark house, o'purple; a rubber bass, no piano"
    assert "bass:rubber" in read["requested"]
    work = tmp_path / "work"
    command = run_commands(page, [dance], work)
    assert " --prompt 'dark house, o'\\''purple; a rubber bass, no piano'" in command
    assert (work / "dance.wav").read_bytes() == sound
    assert (work / "dance.json").read_bytes() == recipe
    page.click("#undo")
    assert settings(page)["prompt"] == ""
    assert page.input_value("#prompt") == ""
    assert " --prompt" not in page.input_value("#command").splitlines()[1]


def test_a_prompt_that_can_not_be_followed_is_explained_at_its_field(page, dance):
    drop(page, dance)
    said = prompt(page, "busy disco with strings")
    assert said == (
        "Understood: busy, waacking, strings. The model does not follow: busy, strings. "
        "The engine Composer does."
    )
    page.select_option("#engine", "composer")
    until(page, "!document.getElementById('prompt-reading').textContent.includes('model')")
    assert page.text_content("#prompt-reading") == "Understood: busy, waacking, strings."
    page.fill("#prompt", "strings " * 400)
    page.keyboard.press("Enter")
    until(page, "document.getElementById('prompt').getAttribute('aria-invalid') === 'true'")
    said = page.text_content("#prompt-reading")
    assert said == "the prompt has 3199 characters; expected 2000 or fewer"
