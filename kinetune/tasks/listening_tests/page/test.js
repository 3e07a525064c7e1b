/* A listening test in one page: consent, headphones, training, ratings, one file of results.
   Nothing is sent anywhere. window.LISTENING_TEST comes from config.js. */
"use strict";
(() => {
  const config = window.LISTENING_TEST;
  const main = document.getElementById("step");
  const SCALES = {
    quality: ["How good is the quality of the sound?", ["Bad", "Poor", "Fair", "Good", "Excellent"]],
    correspondence: ["How well does the music fit the dance?",
      ["Not at all", "Poorly", "Fairly", "Well", "Perfectly"]],
  };
  /* The head among the 24 joints. */
  const HEAD = 15;
  const HINT = "In some clips three beeps come at the end. Then choose 2, whatever you heard before.";
  const wanted = Number.parseInt(new URLSearchParams(location.search).get("list") ?? "", 10);
  const random = new Uint32Array(3);
  crypto.getRandomValues(random);
  const list = Number.isInteger(wanted) ? Math.abs(wanted) % config.lists.length
    : random[0] % config.lists.length;
  const result = {
    format: config.format, test: config.test, list,
    listener: Array.from(random, (n) => n.toString(16).padStart(8, "0")).join(""),
    consent: false, started: new Date().toISOString(), finished: null, complete: false,
    about: {}, headphones: [], ratings: [], preferences: [],
  };

  function element(name, properties = {}, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function show(...children) {
    main.replaceChildren(...children);
    main.focus();
    window.scrollTo(0, 0);
  }

  /* A shuffle that keeps two clips of one dance apart where it can. */
  function shuffled(items, groupOf = (item) => item) {
    const rest = [...items];
    for (let i = rest.length - 1; i > 0; i -= 1) {
      const j = Math.floor(Math.random() * (i + 1));
      [rest[i], rest[j]] = [rest[j], rest[i]];
    }
    const out = [];
    while (rest.length) {
      const last = out.length ? groupOf(out[out.length - 1]) : null;
      const next = rest.findIndex((item) => groupOf(item) !== last);
      out.push(...rest.splice(Math.max(0, next), 1));
    }
    return out;
  }

  /* A player that knows how much of the clip was really played. */
  function player(name, onEnough) {
    const audio = element("audio", { controls: true, preload: "auto", src: `media/${name}.flac` });
    const played = () => {
      let total = 0;
      for (let i = 0; i < audio.played.length; i += 1) total += audio.played.end(i) - audio.played.start(i);
      return total;
    };
    const problem = element("p", { className: "error", hidden: true, textContent: "This sound can't be played." });
    audio.addEventListener("error", () => { problem.hidden = false; });
    const check = () => { if (audio.ended || played() >= 0.9 * audio.duration) onEnough(); };
    audio.addEventListener("ended", check);
    audio.addEventListener("timeupdate", check);
    return { audio, played, nodes: [audio, problem] };
  }

  /* The dancer, drawn in time with a player. */
  function dancer(dance, getAudio) {
    const figure = config.dances[dance];
    const joints = config.parents.length;
    const frames = figure.mm.length / (2 * joints);
    const canvas = element("canvas", { width: 640, height: 360 });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "The dancer as a stick figure, moving with the music");
    const xs = figure.mm.filter((_, i) => i % 2 === 0);
    const ys = figure.mm.filter((_, i) => i % 2 === 1);
    const tall = ys.reduce((a, b) => Math.max(a, b), 1600);
    const wide = xs.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const scale = Math.min(320 / tall, 300 / Math.max(wide, 1));
    const context = canvas.getContext("2d");
    function draw() {
      if (!canvas.isConnected) return;
      const frame = Math.min(frames - 1, Math.max(0, Math.round(getAudio().currentTime * figure.fps)));
      const point = (joint) => {
        const at = 2 * (frame * joints + joint);
        return [320 + figure.mm[at] * scale, 345 - figure.mm[at + 1] * scale];
      };
      context.clearRect(0, 0, 640, 360);
      context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--figure");
      context.lineWidth = 5;
      context.lineCap = "round";
      context.beginPath();
      config.parents.forEach((parent, joint) => {
        if (parent < 0) return;
        context.moveTo(...point(parent));
        context.lineTo(...point(joint));
      });
      context.stroke();
      context.fillStyle = context.strokeStyle;
      context.beginPath();
      context.arc(...point(HEAD), 14, 0, 2 * Math.PI);
      context.fill();
      requestAnimationFrame(draw);
    }
    requestAnimationFrame(draw);
    return canvas;
  }

  function choices(question, labels, onChoice) {
    const set = element("fieldset", {}, element("legend", { textContent: question }));
    labels.forEach((label, index) => {
      const input = element("input", { type: "radio", name: "choice", id: `choice${index}`, value: String(index) });
      input.addEventListener("change", () => onChoice(index));
      set.append(element("label", { className: "choice", htmlFor: input.id }, input, element("span", { textContent: label })));
    });
    return set;
  }

  /* One clip or more, one question; resolves when "Next" is pressed. */
  function trial({ heading, hint, clips, dance, question, labels }) {
    return new Promise((resolve) => {
      const began = performance.now();
      const heard = clips.map(() => false);
      let answer = null;
      const next = element("button", { type: "button", className: "main", textContent: "Next", disabled: true });
      const note = element("p", { className: "note" });
      note.setAttribute("role", "status");
      const update = () => {
        const all = heard.every(Boolean);
        next.disabled = !(all && answer !== null);
        note.textContent = all ? (answer === null ? "Choose an answer." : "")
          : "Listen to the end before you go on.";
      };
      const players = clips.map((clip, index) => player(clip, () => { heard[index] = true; update(); }));
      let current = players[0].audio;
      players.forEach(({ audio }) => audio.addEventListener("play", () => {
        current = audio;
        players.forEach((other) => { if (other.audio !== audio) other.audio.pause(); });
      }));
      const sounds = players.flatMap((each, index) => {
        const name = clips.length > 1 ? `Clip ${"AB"[index]}` : "Clip";
        each.audio.setAttribute("aria-label", name);
        return clips.length > 1 ? [element("h3", { textContent: name }), ...each.nodes] : each.nodes;
      });
      next.addEventListener("click", () => resolve({
        answer, played: players.map((each) => each.played()), seconds: (performance.now() - began) / 1000,
      }));
      show(element("h2", { textContent: heading }), ...(hint ? [element("p", { textContent: hint })] : []),
        ...(dance ? [dancer(dance, () => current)] : []), ...sounds,
        choices(question, labels, (index) => { answer = index; update(); }), note, next);
      update();
    });
  }

  function page(heading, paragraphs, label, extra = []) {
    return new Promise((resolve) => {
      const next = element("button", { type: "button", className: "main", textContent: label });
      next.addEventListener("click", () => resolve());
      show(element("h2", { textContent: heading }),
        ...paragraphs.map((text) => element("p", { textContent: text })), ...extra, next);
    });
  }

  function consent() {
    return new Promise((resolve) => {
      const box = element("input", { type: "checkbox", id: "agree" });
      const next = element("button", { type: "button", className: "main", textContent: "Begin", disabled: true });
      box.addEventListener("change", () => { next.disabled = !box.checked; });
      next.addEventListener("click", () => { result.consent = true; resolve(); });
      show(element("h2", { textContent: "Before you begin" }),
        ...config.consent.map((text) => element("p", { textContent: text })),
        element("label", { className: "choice", htmlFor: "agree" }, box,
          element("span", { textContent: "I have read this and want to take part." })), next);
    });
  }

  function about() {
    return new Promise((resolve) => {
      const answers = {};
      const next = element("button", { type: "button", className: "main", textContent: "Next", disabled: true });
      const question = (name, text, labels) => {
        const set = choices(text, labels, (index) => {
          answers[name] = labels[index];
          next.disabled = Object.keys(answers).length < 3;
        });
        set.querySelectorAll("input").forEach((input) => {
          input.name = name;
          input.id = `${name}-${input.value}`;
          input.parentElement.htmlFor = input.id;
        });
        return set;
      };
      next.addEventListener("click", () => { result.about = answers; resolve(); });
      show(element("h2", { textContent: "About your listening" }),
        question("hearing", "Is your hearing normal, as far as you know?", ["Yes", "No", "I don't know"]),
        question("device", "What do you listen with?", ["Headphones over the ear", "Earbuds", "Loudspeakers"]),
        question("quiet", "Is the room quiet?", ["Yes", "No"]), next);
    });
  }

  let done = 0;
  const mine = config.lists[list];
  const sections = ["quality", "correspondence"].filter((name) => mine[name]);
  const all = config.headphones.length + config.training.length + mine.pairs.length
    + sections.reduce((sum, name) => sum + mine[name].length, 0);
  function step() {
    done += 1;
    document.getElementById("progress").value = done / all;
  }

  async function headphones() {
    await page("Headphones", ["Put your headphones on and set a comfortable volume: play the clip below.",
      "Then follow six short trials: of three tones, which is the softest?"], "Next",
    player(config.training[2], () => {}).nodes);
    for (const [number, name] of shuffled(config.headphones).entries()) {
      const { answer } = await trial({ heading: `Headphones, ${number + 1} of 6`, clips: [name],
        question: "Which tone is the softest?", labels: ["The first", "The second", "The third"] });
      result.headphones.push({ trial: name, answer });
      step();
    }
  }

  async function training() {
    await page("Training", ["Three clips to get used to the scale. They don't count."], "Next");
    for (const name of config.training) {
      const [question, labels] = SCALES.quality;
      await trial({ heading: "Training", clips: [name], question,
        labels: labels.map((label, index) => `${index + 1}: ${label}`) });
      step();
    }
  }

  async function rate(section) {
    const [question, labels] = SCALES[section];
    const what = section === "quality" ? "Now rate the quality of the sound of each clip."
      : "Now you see a dancer with each clip. Rate how well music and dance fit; never mind the sound quality.";
    await page(section === "quality" ? "Sound quality" : "Music and dance", [what, HINT], "Next");
    const order = shuffled(mine[section], (name) => config.dance_of[name] ?? name);
    for (const [number, name] of order.entries()) {
      const { answer, played, seconds } = await trial({
        heading: `Clip ${number + 1} of ${order.length}`, hint: HINT, clips: [name],
        dance: section === "correspondence" ? config.dance_of[name] : null, question,
        labels: labels.map((label, index) => `${index + 1}: ${label}`) });
      result.ratings.push({ stimulus: name, section, score: answer + 1, played_s: played[0], seconds, order: number });
      step();
    }
  }

  async function compare() {
    if (!mine.pairs.length) return;
    await page("Two at a time", ["Now choose between two clips."], "Next");
    for (const [number, pair] of shuffled(mine.pairs).entries()) {
      const dance = config.dance_of[pair[0]] ?? null;
      const { answer, played, seconds } = await trial({ heading: `Pair ${number + 1} of ${mine.pairs.length}`,
        clips: pair, dance, question: dance ? "Which music fits the dance better?" : "Which clip do you prefer?",
        labels: ["Clip A", "Clip B"] });
      result.preferences.push({ a: pair[0], b: pair[1], answer: "ab"[answer], played_s: played, seconds, order: number });
      step();
    }
  }

  function finish() {
    result.finished = new Date().toISOString();
    result.complete = true;
    const text = JSON.stringify(result, null, 1);
    const address = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    const link = element("a", { href: address, download: `listener-${result.listener}.json`, id: "save" },
      element("button", { type: "button", className: "main", textContent: "Save the results" }));
    link.firstChild.tabIndex = -1;
    const box = element("textarea", { readOnly: true, value: text, id: "results" });
    show(element("h2", { textContent: "Thank you" }),
      element("p", { textContent: "Save the file and send it to whoever invited you. It holds your answers, no name." }),
      link, element("p", {}, element("label", { htmlFor: "results", textContent: "The same as text:" })), box);
  }

  async function run() {
    document.title = config.title;
    document.getElementById("title").textContent = config.title;
    await consent();
    await about();
    await headphones();
    await training();
    for (const section of sections) await rate(section);
    await compare();
    finish();
  }
  run();
})();
