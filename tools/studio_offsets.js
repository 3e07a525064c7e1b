/* How far the dancer that is drawn is from the sound that is heard.

Run in the page of the studio while a dance stands there whose pelvis moves along x at a constant
speed: where it is drawn tells the time of the picture. A sound is played whose samples tell their
own time. Neither is taken from the player's own arithmetic. Returns one record for each frame,
seconds: `picture`; `sound`, heard as the page draws the frame; `finished`, heard as the graphics
have drawn its last pixel. It ends after `seconds` or so many `frames`. */
async ({seconds, frames: most = Infinity, speed_m_s}) => {
    const {player, stage} = window.kinetune, {duration} = player;
    const context = player.audio(), rate = context.sampleRate;
    const ramp = new AudioBuffer({length: Math.ceil(duration * rate), sampleRate: rate});
    ramp.getChannelData(0).forEach((_, k, samples) => { samples[k] = k / rate / duration; });
    player.setTakes([ramp], duration, 0);
    player.seek(0);
    player.play();
    const analyser = new AnalyserNode(context, {fftSize: 32}), latest = new Float32Array(32);
    player.voices[0].gain.connect(analyser);
    const heard = () => {
        analyser.getFloatTimeDomainData(latest);
        return latest[31] * duration - context.outputLatency;
    };

    const renderer = stage.renderer, render = renderer.render, graphics = renderer.getContext();
    const pixel = new Uint8Array(4), frames = [], start = stage.positions[0];
    renderer.render = (...scene) => {
        render.apply(renderer, scene);
        const picture = (stage.figures[0].ring.position.x - start) / speed_m_s, sound = heard();
        // Reading a pixel waits until everything is drawn.
        graphics.readPixels(0, 0, 1, 1, graphics.RGBA, graphics.UNSIGNED_BYTE, pixel);
        if (sound > 0.3) frames.push({picture, sound, finished: heard()});
    };
    const begin = performance.now();
    while (performance.now() - begin < 1000 * seconds && player.playing && frames.length < most) {
        await new Promise(requestAnimationFrame);
    }
    renderer.render = render;
    player.pause();
    return frames;
}
