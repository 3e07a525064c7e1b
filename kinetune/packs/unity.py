"""A pack for Unity: WAV files, the table as JSON for JsonUtility, a component that plays them.

All files start at one time of the audio clock with ``PlayScheduled`` and loop in Unity; the
component raises an event for each row of the table. Source: Unity's scripting reference
(AudioSource.PlayScheduled, AudioSettings.dspTime, JsonUtility).
"""

from pathlib import Path

from kinetune.files import write_text
from kinetune.packs.pack import TABLE, Pack

SUFFIX = ".wav"
SCRIPT = "DanceMusic.cs"
_SCRIPT = """using System;
using UnityEngine;

/// <summary>Plays the files of a pack in phase and raises its events when they are heard.</summary>
public class DanceMusic : MonoBehaviour
{
    [Serializable]
    public class Happening
    {
        public float time;
        public string kind;
        public string label;
        public int bar;
        public int beat;
    }

    [Serializable]
    class Table
    {
        public int sample_rate;
        public int samples;
        public bool loop;
        public Happening[] events;
    }

    [Tooltip("pack.json")]
    public TextAsset table;
    [Tooltip("The music, or its layers from calm to peak")]
    public AudioClip[] clips;
    public event Action<Happening> Happened;

    Table data;
    AudioSource[] sources;
    double start;
    double length;
    int next;
    int round;

    void Start()
    {
        data = JsonUtility.FromJson<Table>(table.text);
        length = (double)data.samples / data.sample_rate;
        start = AudioSettings.dspTime + 0.2;
        sources = new AudioSource[clips.Length];
        for (int index = 0; index < clips.Length; index++)
        {
            sources[index] = gameObject.AddComponent<AudioSource>();
            sources[index].clip = clips[index];
            sources[index].loop = data.loop;
            sources[index].PlayScheduled(start);
        }
    }

    /// <summary>Lets the first layers sound and mutes the others.</summary>
    public void SetLayers(int count)
    {
        for (int index = 0; index < sources.Length; index++)
            sources[index].mute = index >= count;
    }

    void Update()
    {
        double now = AudioSettings.dspTime - start;
        while (data.events.Length > 0)
        {
            if (next == data.events.Length)
            {
                if (!data.loop) return;
                next = 0;
                round++;
            }
            Happening row = data.events[next];
            if (round * length + row.time > now) return;
            next++;
            if (Happened != null) Happened(row);
        }
    }
}
"""
STEPS = """1. Copy this folder into Assets. Load Type: Decompress On Load or Streaming.
2. Add the component DanceMusic to an object; give it {table} and {clips}.
3. Subscribe to `Happened`: it carries beats (beat 1 opens a bar), accents and sections.{more}
"""


def write(folder: Path, _: Pack) -> None:
    """Write what goes with the sound files of a pack."""
    write_text(folder / SCRIPT, _SCRIPT)


def steps(pack: Pack) -> str:
    """Return how the pack is used."""
    clips = ", ".join(pack.layers) if pack.layers else pack.file
    more = " `SetLayers(count)` mutes\n   the others." if pack.layers else ""
    return STEPS.format(table=TABLE, clips=clips, more=more)
