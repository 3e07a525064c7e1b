"""A pack for Unreal: 16-bit WAV files, events as a CSV data table, an import script, an actor.

The first column of a data table's CSV names the row. Sources: Unreal's documentation of data
tables, its Python API (AssetImportTask, CSVImportFactory, SoundWave), and Quartz (QuartzSubsystem,
QuartzClockHandle, AudioComponent). No Unreal has compiled the actor.
"""

import csv
import io
from pathlib import Path

from kinetune.files import write_text
from kinetune.packs.pack import Pack

SUFFIX = ".wav"
SCRIPT = "import_music.py"
COLUMNS = ("Name", "Time", "Kind", "Label", "Bar", "Beat")
_SCRIPT = '''"""Import sounds and events: run `py "PATH/import_music.py"` in the editor."""

import os

import unreal

DESTINATION = "/Game/Music/{name}"
SOUNDS = {sounds!r}
EVENTS = {events!r}
LOOPS = {loops!r}
# A structure of yours with Time (float), Kind, Label (string), Bar and Beat (integer), such as
# "/Game/Music/MusicEvent.MusicEvent"; empty leaves the events out.
ROW_STRUCTURE = ""
HERE = os.path.dirname(os.path.abspath(__file__))


def import_file(name, factory=None):
    task = unreal.AssetImportTask()
    task.set_editor_property("filename", os.path.join(HERE, name))
    task.set_editor_property("destination_path", DESTINATION)
    task.set_editor_property("automated", True)
    task.set_editor_property("save", True)
    if factory is not None:
        task.set_editor_property("factory", factory)
    unreal.AssetToolsHelpers.get_asset_tools().import_asset_tasks([task])
    return task.get_editor_property("imported_object_paths")


for sound in SOUNDS:
    for path in import_file(sound):
        wave = unreal.EditorAssetLibrary.load_asset(path)
        wave.set_editor_property("looping", LOOPS)
        unreal.EditorAssetLibrary.save_loaded_asset(wave)
if ROW_STRUCTURE:
    settings = unreal.CSVImportSettings()
    settings.set_editor_property("import_row_struct", unreal.load_object(None, ROW_STRUCTURE))
    table = unreal.CSVImportFactory()
    table.set_editor_property("automated_import_settings", settings)
    import_file(EVENTS, table)
'''
ACTOR = "DanceMusic.h"
_ACTOR = """// Plays the sounds of this pack together, in time with a Quartz clock.
// Not compiled by us yet. Add "AudioMixer" to the modules of your .Build.cs, and a DanceMusic.cpp
// that includes this file.
#pragma once

#include "Components/AudioComponent.h"
#include "GameFramework/Actor.h"
#include "Quartz/AudioMixerClockHandle.h"
#include "Quartz/QuartzSubsystem.h"
#include "DanceMusic.generated.h"

UCLASS()
class ADanceMusic : public AActor
{{
    GENERATED_BODY()

public:
    // The pack's sounds in order: the mix, or the layers from calm to peak.
    UPROPERTY(EditAnywhere) TArray<TObjectPtr<USoundBase>> Sounds;

    // How many layers sound, as the events of kind "layers" say.
    UFUNCTION(BlueprintCallable) void SetLayers(int32 Count)
    {{
        for (int32 Index = 0; Index < Players.Num(); ++Index)
            Players[Index]->AdjustVolume({fade_s}f, Index < Count ? 1.0f : 0.0f);
    }}

    // A beat of the music.
    UFUNCTION() void OnBeat(FName Clock, EQuartzCommandQuantization Kind, int32 Bar, int32 Beat,
        float Fraction) {{ UE_LOG(LogTemp, Log, TEXT("bar %d beat %d"), Bar, Beat); }}

protected:
    virtual void BeginPlay() override
    {{
        Super::BeginPlay();
        UQuartzSubsystem* Quartz = UQuartzSubsystem::Get(GetWorld());
        FQuartzClockSettings Settings;
        Settings.TimeSignature.NumBeats = {bar_beats};
        Settings.TimeSignature.BeatType = EQuartzTimeSignatureQuantization::QuarterNote;
        Clock = Quartz->CreateNewClock(this, TEXT("{name}"), Settings, true);
        Handle = Clock;  // keeps it from being collected
        Clock->SetBeatsPerMinute(this, FQuartzQuantizationBoundary(),
            FOnQuartzCommandEventBP(), Clock, {bpm}f);
        FOnQuartzMetronomeEventBP Beats;
        Beats.BindUFunction(this, TEXT("OnBeat"));
        Clock->SubscribeToQuantizationEvent(this, EQuartzCommandQuantization::Beat, Beats, Clock);
        // Begun on one bar line, they stay in phase.
        FQuartzQuantizationBoundary Bar(EQuartzCommandQuantization::Bar);
        for (USoundBase* Sound : Sounds)
        {{
            UAudioComponent* Player = NewObject<UAudioComponent>(this);
            Player->SetSound(Sound);
            Player->RegisterComponent();
            Player->PlayQuantized(this, Clock, Bar, FOnQuartzCommandEventBP());
            Players.Add(Player);
        }}
        Clock->StartClock(this, Clock);
    }}

private:
    UPROPERTY() TArray<TObjectPtr<UAudioComponent>> Players;
    UPROPERTY() TObjectPtr<UQuartzClockHandle> Handle;
    UQuartzClockHandle* Clock = nullptr;
}};
"""
# A layer comes and goes in about a beat of quick music.
_LAYER_FADE_S = 0.3
STEPS = """1. Enable the plugin Python Editor Script Plugin.
2. Run `py "FOLDER/import_music.py"` in the editor's console: the sounds arrive in
   /Game/Music/{name}.
3. For the events, make a structure with Time (float), Kind, Label (string), Bar, Beat (integer),
   name it in the script and run it again; or import {name}_events.csv by hand.
4. DanceMusic.h is an actor that plays all sounds on a Quartz clock of {bpm:g} bpm, {bar_beats}
   beats a bar: add it to your module, place it, and name the sounds in its details. It has not been
   compiled by us yet; in Blueprint, the same nodes are Create New Clock and Play Quantized.
"""


def write(folder: Path, pack: Pack) -> None:
    """Write what goes with the sound files of a pack."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for number, event in enumerate(pack.events):
        name = f"{event.kind}_{number}"
        rows.writerow([name, f"{event.time:.6f}", event.kind, event.label, event.bar, event.beat])
    write_text(folder / _events_file(pack), text.getvalue())
    script = _SCRIPT.format(
        name=pack.name, sounds=list(pack.files), events=_events_file(pack), loops=pack.loop
    )
    write_text(folder / SCRIPT, script)
    actor = _ACTOR.format(
        name=pack.name, bpm=f"{pack.bpm:.4f}", bar_beats=pack.bar_beats, fade_s=_LAYER_FADE_S
    )
    write_text(folder / ACTOR, actor)


def steps(pack: Pack) -> str:
    """Return how the pack is used."""
    return STEPS.format(name=pack.name, bpm=pack.bpm, bar_beats=pack.bar_beats)


def _events_file(pack: Pack) -> str:
    return f"{pack.name}_events.csv"
