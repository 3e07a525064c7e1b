/* How far the dancer that is drawn is from the sound that is heard.

Run in the page of the studio while a dance stands there whose pelvis moves along x at a constant
speed: where it is drawn tells the time of the picture. A sound is played whose samples tell their
own time. Neither is taken from the player's own arithmetic. Returns one record for each frame,
seconds: `picture`; `sound`, heard as the frame is handed to the graphics; `finished`, heard as the
graphics have drawn it; `shown`, heard as the browser displays it, or null if it does not report
that (the Element Timing API). */
async ({seconds, speed_m_s}) => {
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

    const mark = document.body.appendChild(document.createElement("div"));
    mark.style.cssText = "position: fixed; left: 0; bottom: 0; font-size: 8px";
    const displayed = new Map();
    const note = (entries) => entries.forEach((entry) => displayed.set(entry.identifier, entry.renderTime / 1000));
    const observer = new PerformanceObserver((list) => note(list.getEntries()));
    observer.observe({type: "element"});

    const renderer = stage.renderer, render = renderer.render, graphics = renderer.getContext();
    const frames = [], clocks = [], start = stage.positions[0];
    renderer.render = (...scene) => {
        render.apply(renderer, scene);
        const picture = (stage.figures[0].ring.position.x - start) / speed_m_s, sound = heard();
        clocks.push(sound - performance.now() / 1000);
        graphics.finish();
        const text = Object.assign(document.createElement("span"), {textContent: frames.length % 10});
        text.setAttribute("elementtiming", String(frames.length));
        mark.replaceChildren(text);
        frames.push({picture, sound, finished: heard()});
    };
    const begin = performance.now();
    while (performance.now() - begin < 1000 * seconds && player.playing) await new Promise(requestAnimationFrame);
    renderer.render = render;
    player.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    note(observer.takeRecords());
    observer.disconnect();
    mark.remove();

    // What is heard at a time of the browser's clock: both run at the same speed.
    const ahead = clocks.sort((a, b) => a - b)[Math.floor(clocks.length / 2)];
    return frames
        .map((frame, k) => ({...frame, shown: displayed.has(String(k)) ? displayed.get(String(k)) + ahead : null}))
        .filter(({sound}) => sound > 0.3);
}
