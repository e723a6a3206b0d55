// Drop, choose, paste or photograph; each picture goes in a request of its own, its progress and its answer in place.
import { offline, percent, problemWords, size, tell, word } from "./words.js";
import { headers, nodes } from "./send.js";
import { deleteOne } from "./deleting.js";

const AT_ONCE = 2;
const form = document.getElementById("upload");
const list = document.getElementById("list");
const waiting = [];
const counts = { all: 0, done: 0, failed: 0 };
let running = 0;

const chosenModel = () => document.getElementById("choose-model")?.value || "";

function put(item, state, text) {
  item.row.dataset.state = state;
  item.row.querySelector(".result-state").textContent = text;
}

function count() {
  const { all, done, failed } = counts;
  document.getElementById("counted").textContent = word(failed ? "js.counted_failed" : "js.counted", { done, all, failed });
}

function fail(item, text) {
  counts.failed += 1;
  put(item, "failed", text);
  item.row.querySelector("progress")?.remove();
  const again = document.createElement("button");
  Object.assign(again, { type: "button", className: "button", textContent: word("js.retry") });
  again.addEventListener("click", () => {
    counts.failed -= 1;
    const fresh = rowFor(item.file);
    item.row.replaceWith(fresh);
    enqueue({ file: item.file, row: fresh });
  });
  if (item.retry !== false) { item.row.querySelector(".result-words").append(again); }
  tell(`${item.file.name}: ${text}`);
}

function answered(item, html) {
  const row = nodes(html).querySelector(".result");
  const focused = item.row.contains(document.activeElement);
  const image = item.row.querySelector("img");
  if (image.src) { URL.revokeObjectURL(image.src); }
  item.row.replaceWith(row);
  if (focused) { row.querySelector("a").focus(); }
  counts.done += 1;
  tell(word("js.answered", { name: item.file.name, labels: row.querySelector(".result-said").textContent.trim() }));
}

function start(item) {
  running += 1;
  const request = new XMLHttpRequest();
  const bar = item.row.querySelector("progress");
  const model = chosenModel();
  const ended = (work) => { running -= 1; work(); count(); next(); };
  request.open("POST", `/pictures${model ? `?model=${encodeURIComponent(model)}` : ""}`);
  for (const [name, value] of Object.entries(headers())) { request.setRequestHeader(name, value); }
  request.upload.addEventListener("progress", (event) => {
    if (!event.lengthComputable) { return; }
    bar.value = 100 * event.loaded / event.total;
    put(item, "sending", word("js.uploading", { percent: percent(event.loaded / event.total) }));
  });
  request.upload.addEventListener("load", () => { bar.removeAttribute("value"); put(item, "asking", word("js.asking")); });
  request.addEventListener("load", () => {
    if (request.status === 201) { ended(() => answered(item, request.responseText)); return; }
    const wait = Number(request.getResponseHeader("Retry-After")) || 2;
    if ((request.status === 429 || request.status === 503) && item.tries < 5) {
      item.tries += 1;
      put(item, "waiting", word("js.waiting"));
      setTimeout(() => { waiting.unshift(item); ended(() => undefined); }, 1000 * Math.min(wait, 60));
      return;
    }
    let problem = { type: "fault" };
    try { problem = JSON.parse(request.responseText); } catch { /* whatever stands between is no server of ours */ }
    // What the server will not take a second time either is not offered again.
    item.retry = request.status >= 500 || request.status === 429 || request.status === 408;
    ended(() => fail(item, problemWords(problem)));
  });
  request.addEventListener("error", () => ended(() => fail(item, problemWords(offline))));
  const body = new FormData();
  body.append("pictures", item.file, item.file.name || "picture");
  request.send(body);
}

function next() {
  while (running < AT_ONCE && waiting.length) { start(waiting.shift()); }
}

function enqueue(item) {
  item.tries = 0;
  waiting.push(item);
  put(item, "waiting", word("js.waiting"));
  next();
}

function rowFor(file) {
  const row = document.getElementById("result-waiting").content.firstElementChild.cloneNode(true);
  const image = row.querySelector("img");
  image.src = URL.createObjectURL(file);
  image.addEventListener("error", () => { row.classList.add("unseen-picture"); }, { once: true });
  row.querySelector(".result-name").textContent = file.name;
  return row;
}

function take(files) {
  const given = [...files].filter((file) => file.size > 0 || file.type);
  const most = Number(form.dataset.maxFiles);
  if (!given.length) { return; }
  document.getElementById("results").hidden = false;
  if (given.length > most) { tell(word("js.too_many", { n: most })); }
  const rows = given.slice(0, most).map((file) => ({ file, row: rowFor(file) }));
  list.prepend(...rows.map((item) => item.row));
  counts.all += rows.length;
  for (const item of rows) {
    if (item.file.size > Number(form.dataset.maxBytes)) {
      item.retry = false;
      fail(item, word("js.too_large", { size: size(Number(form.dataset.maxBytes)) }));
    } else { enqueue(item); }
  }
  count();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.getElementById("results").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "nearest" });
}

function watchDrops() {
  let depth = 0;
  const holdsFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  const words = form.querySelector(".drop-words");
  const plain = words.textContent;
  const mark = (on) => {
    form.classList.toggle("over", on);
    words.textContent = on ? word("js.drop_here") : plain;
  };
  document.addEventListener("dragenter", (event) => { if (holdsFiles(event)) { depth += 1; mark(true); } });
  document.addEventListener("dragleave", (event) => { if (holdsFiles(event)) { depth = Math.max(0, depth - 1); mark(depth > 0); } });
  document.addEventListener("dragover", (event) => { if (holdsFiles(event)) { event.preventDefault(); event.dataTransfer.dropEffect = "copy"; } });
  document.addEventListener("drop", (event) => {
    if (!holdsFiles(event)) { return; }
    event.preventDefault();
    depth = 0;
    mark(false);
    take(event.dataTransfer.files);
  });
}

if (form) {
  for (const input of form.querySelectorAll("input[type='file']")) {
    input.required = false;
    input.addEventListener("change", () => { take(input.files); input.value = ""; });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("paste", (event) => {
    if (event.clipboardData?.files.length) { event.preventDefault(); take(event.clipboardData.files); }
  });
  watchDrops();
  list.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-delete]");
    if (!button) { return; }
    try {
      if (await deleteOne(button.dataset.delete, button.dataset.name)) {
        const row = button.closest(".result");
        (row.nextElementSibling || row.previousElementSibling)?.querySelector("a, button")?.focus();
        row.remove();
        counts.all -= 1;
        counts.done -= 1;
        count();
        if (!list.children.length) { document.getElementById("results").hidden = true; document.getElementById("files").focus(); }
      }
    } catch (error) { tell(problemWords(error.problem)); }
  });
}
