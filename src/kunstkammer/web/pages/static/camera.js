// Frames of the camera to the API's predict, which keeps nothing: one request at a time, a few a second, none while hidden.
import { decimal, percent, problemWords, tell, word } from "./words.js";
import { Refused, send } from "./send.js";

const EVERY = 400;      // milliseconds between frames at best: 150 a minute, below what a visitor may ask
const SIDE = 448;       // pixels of the longer side that are sent
const MEMORY = 0.6;     // weight of what was before; the bars are an exponential mean
const BARS = 5;
const place = document.getElementById("camera");
const at = (id) => document.getElementById(id);
const video = at("video");
const canvas = document.createElement("canvas");
let stream = null;
let timer = 0;
let aborter = null;
let mean = new Map();
let said = "";
let times = [];

const state = (text) => { at("state").textContent = text; };

function trouble(text) {
  at("trouble").textContent = text;
  at("trouble").hidden = !text;
}

function why(error) {
  const known = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "none", OverconstrainedError: "none", NotReadableError: "busy", AbortError: "busy" };
  return error.name in known ? word(`js.camera_${known[error.name]}`) : word("js.camera_failed", { why: error.message });
}

function stop(text) {
  clearTimeout(timer);
  aborter?.abort();
  for (const track of stream?.getTracks() || []) { track.stop(); }
  stream = null;
  video.srcObject = null;
  place.classList.remove("on");
  at("go").textContent = word("js.camera_start");
  at("stage-words").hidden = false;
  at("stage-words").textContent = word("js.camera_off");
  at("pace").textContent = "";
  state(text || word("js.camera_stopped"));
}

async function lenses() {
  const all = (await navigator.mediaDevices.enumerateDevices()).filter((one) => one.kind === "videoinput");
  const using = stream.getVideoTracks()[0].getSettings().deviceId;
  at("lens-field").hidden = all.length < 2;
  at("lens").replaceChildren(...all.map((one, i) => new Option(one.label || word("js.camera_lens", { n: i + 1 }), one.deviceId, false, one.deviceId === using)));
}

async function start(deviceId) {
  trouble("");
  if (!navigator.mediaDevices?.getUserMedia) { trouble(word("js.camera_insecure")); return; }
  at("stage-words").textContent = word("js.camera_asking");
  const wished = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "environment" };
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { ...wished, width: { ideal: 1280 }, height: { ideal: 960 } }, audio: false });
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    stop();
    trouble(why(error));
    return;
  }
  if (document.hidden) { stop(word("js.camera_hidden")); return; }
  mean = new Map();
  said = "";
  times = [];
  stream.getVideoTracks()[0].addEventListener("ended", () => stop());
  place.classList.add("on");
  at("stage-words").hidden = true;
  at("go").textContent = word("js.camera_stop");
  state(word("js.camera_on"));
  await lenses();
  look();
}

function frame() {
  const scale = Math.min(1, SIDE / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.max(1, Math.round(video.videoWidth * scale));
  canvas.height = Math.max(1, Math.round(video.videoHeight * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.85); });
}

async function look() {
  if (!stream) { return; }
  const mine = stream;
  const began = performance.now();
  let wait = EVERY;
  try {
    const blob = video.videoWidth ? await frame() : null;
    if (blob && stream === mine) {
      const body = new FormData();
      body.append("picture", blob, "frame.jpg");
      aborter = new AbortController();
      const model = at("choose-model").value;
      const answer = await send(`/api/v1/predict?model=${encodeURIComponent(model)}`, { method: "POST", body, signal: aborter.signal, headers: { Accept: "application/json" } });
      if (stream !== mine) { return; }
      show((await answer.json()).predictions[0].answer);
      state(word("js.camera_on"));
      trouble("");
    }
  } catch (error) {
    if (error.name === "AbortError" || stream !== mine) { return; }
    if (!(error instanceof Refused)) { throw error; }
    wait = 1000 * Math.max(2, error.retryAfter);
    if (error.status === 429 || error.status === 503) { state(word("js.camera_slow", { n: Math.round(wait / 1000) })); } else { trouble(problemWords(error.problem)); }
  }
  timer = setTimeout(look, Math.max(50, wait - (performance.now() - began)));
}

function bar(score) {
  const item = document.createElement("li");
  item.className = "bar";
  item.append(Object.assign(document.createElement("span"), { className: "bar-label", textContent: score.label }), Object.assign(document.createElement("span"), { className: "bar-value" }));
  const sign = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) { node.setAttribute(key, value); }
    return node;
  };
  const track = sign("svg", { class: "bar-track", viewBox: "0 0 1000 20", preserveAspectRatio: "none", "aria-hidden": "true" });
  track.append(sign("rect", { class: "bar-whole", width: 1000, height: 20 }), sign("rect", { class: "bar-part", width: 0, height: 20 }));
  if (score.zero_r !== null) { track.append(sign("rect", { class: "bar-zero", x: Math.min(995, Math.max(0, 1000 * score.zero_r - 2)), y: -6, width: 5, height: 32 })); }
  item.append(track);
  return item;
}

function show(answer) {
  const list = at("live-bars");
  const chosen = answer.scores.filter((score) => score.chosen).map((score) => score.label);
  for (const score of answer.scores) {
    const before = mean.get(score.label);
    mean.set(score.label, before === undefined ? score.probability : MEMORY * before + (1 - MEMORY) * score.probability);
  }
  // The rows keep their places while the camera runs: bars that jump about cannot be read.
  const key = `${answer.model} ${answer.version}`;
  if (list.dataset.key !== key || !list.children.length) {
    list.dataset.key = key;
    mean = new Map(answer.scores.map((score) => [score.label, score.probability]));
    list.replaceChildren(...answer.scores.slice(0, answer.scores.length <= 8 ? 8 : BARS).map(bar));
  }
  const best = [...mean].sort((a, b) => b[1] - a[1]);
  if (answer.scores.length > 8) { list.replaceChildren(...best.slice(0, BARS).map(([label]) => bar(answer.scores.find((score) => score.label === label)))); }
  for (const item of list.children) {
    const share = mean.get(item.querySelector(".bar-label").textContent);
    item.querySelector(".bar-value").textContent = percent(share);
    item.querySelector(".bar-part").setAttribute("width", Math.round(1000 * share));
    item.classList.toggle("chosen", item.querySelector(".bar-label").textContent === best[0][0]);
  }
  const now = chosen.length > 1 ? chosen.join(", ") : best[0][0];
  at("said").textContent = now;
  if (now !== said) { said = now; tell(now); }
  times = [...times, performance.now()].slice(-8);
  if (times.length > 2) { at("pace").textContent = word("js.camera_pace", { n: decimal(1000 * (times.length - 1) / (times.at(-1) - times[0])) }); }
}

if (place) {
  at("go").addEventListener("click", () => { if (stream) { stop(); } else { start(at("lens").value); } });
  at("lens").addEventListener("change", () => { stop(); start(at("lens").value); });
  at("choose-model").addEventListener("change", () => { at("live-bars").replaceChildren(); at("said").textContent = ""; said = ""; });
  document.addEventListener("visibilitychange", () => { if (document.hidden && stream) { stop(word("js.camera_hidden")); } });
  addEventListener("pagehide", () => stop());
}
