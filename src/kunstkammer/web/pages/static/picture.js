// The picture's own page: heat maps laid over it, their strength, the nearest training pictures, what is right.
import "./correcting.js";
import "./deleting.js";
import { percent, problemWords, tell, word } from "./words.js";
import { Refused, send } from "./send.js";

const form = document.getElementById("why");
const map = document.getElementById("map");
const field = (id) => document.getElementById(id);
let asked = 0;
let shownUrl = "";

function setOpacity() {
  const value = Number(field("opacity").value) / 100;
  map.style.opacity = value;
  field("opacity-value").textContent = percent(value);
}

function showing(on) {
  map.hidden = !on;
  field("hide-map").hidden = !on;
  field("opacity-field").hidden = !on;
}

function troubled(text) {
  let said = form.querySelector(".trouble");
  if (!said && text) {
    said = document.createElement("p");
    said.className = "notice warn trouble";
    said.setAttribute("role", "alert");
    form.append(said);
  }
  if (said) { said.textContent = text; said.hidden = !text; }
}

// A map may be nothing everywhere: then the picture would stand there as before, and nobody would know why.
function isEmpty(image) {
  const small = Object.assign(document.createElement("canvas"), { width: 64, height: 64 });
  const drawing = small.getContext("2d");
  drawing.drawImage(image, 0, 0, 64, 64);
  return drawing.getImageData(0, 0, 64, 64).data.every((value, i) => i % 4 !== 3 || value === 0);
}

async function showMap() {
  const turn = asked += 1;
  const method = field("method");
  const target = field("target");
  const versus = field("versus")?.value || "";
  const url = new URL(form.dataset.map, location.href);
  url.searchParams.set("method", method.value);
  url.searchParams.set("target", target.value);
  if (versus && versus !== target.value) { url.searchParams.set("versus", versus); }
  const words = { method: method.selectedOptions[0].textContent, target: target.value };
  troubled("");
  form.setAttribute("aria-busy", "true");
  field("mount").classList.add("busy");
  tell(word("js.map_loading"));
  try {
    const answer = await send(url.pathname + url.search, { headers: { Accept: "image/png, application/problem+json" } });
    const data = await answer.blob();
    if (turn !== asked) { return; }
    if (shownUrl) { URL.revokeObjectURL(shownUrl); }
    shownUrl = URL.createObjectURL(data);
    map.src = shownUrl;
    map.alt = word("js.map_alt", words);
    await map.decode().catch(() => undefined);
    showing(true);
    setOpacity();
    if (isEmpty(map)) { troubled(word("js.map_empty", words)); } else { tell(word("js.map_shown", words)); }
    const where = field("mount").getBoundingClientRect();
    if (where.bottom < 80 || where.top > innerHeight - 80) { field("mount").scrollIntoView({ block: "start" }); }
    const page = new URL(location.href);
    for (const name of ["method", "target", "versus"]) {
      const value = url.searchParams.get(name);
      if (value) { page.searchParams.set(name, value); } else { page.searchParams.delete(name); }
    }
    page.searchParams.set("model", form.querySelector("input[name='model']").value);
    history.replaceState(null, "", page);
  } catch (error) {
    if (turn !== asked) { return; }
    if (!(error instanceof Refused)) { throw error; }
    showing(false);
    troubled(problemWords(error.problem));
  } finally {
    if (turn === asked) { form.removeAttribute("aria-busy"); field("mount").classList.remove("busy"); }
  }
}

if (form) {
  form.addEventListener("submit", (event) => { event.preventDefault(); showMap(); });
  form.addEventListener("change", (event) => {
    if (event.target.id === "method") { field("method-hint").textContent = event.target.selectedOptions[0].dataset.hint; }
    if (event.target.matches("select") && !map.hidden) { showMap(); }
  });
  field("hide-map").addEventListener("click", () => {
    showing(false);
    tell(word("js.map_hidden"));
    field("show-map").focus();
    const page = new URL(location.href);
    for (const name of ["method", "target", "versus"]) { page.searchParams.delete(name); }
    history.replaceState(null, "", page);
  });
  field("opacity").addEventListener("input", setOpacity);
  if (!map.hidden) { showing(true); setOpacity(); }
}

const near = document.getElementById("near");
if (near && !near.querySelector("li, .notice")) {
  const place = document.getElementById("near-list");
  const load = async () => {
    place.setAttribute("aria-busy", "true");
    try {
      place.innerHTML = await (await send(near.dataset.partUrl)).text();
    } catch (error) {
      if (!(error instanceof Refused)) { throw error; }
      const said = document.createElement("p");
      said.className = "notice warn";
      said.textContent = problemWords(error.problem);
      place.replaceChildren(said);
    }
    place.setAttribute("aria-busy", "false");
  };
  // Asked for only when somebody comes near: it costs the model a look.
  new IntersectionObserver((entries, observer) => {
    if (entries.some((entry) => entry.isIntersecting)) { observer.disconnect(); load(); }
  }, { rootMargin: "300px" }).observe(near);
}
