// Keys for who looks at many pictures; they can be switched off (WCAG 2.1.4), and are off while a field has the focus.
import { correct } from "./correcting.js";
import { tell, word } from "./words.js";

const list = document.getElementById("reviews");
const toggle = document.getElementById("keys-on");
const REMEMBERED = "kunstkammer-keys";
const recall = () => { try { return localStorage.getItem(REMEMBERED); } catch { return null; } };
const remember = (value) => { try { localStorage.setItem(REMEMBERED, value); } catch { /* private mode */ } };

const entries = () => [...list.querySelectorAll(".review")];
const current = () => document.activeElement?.closest(".review") || list.querySelector(".review.at") || entries()[0];

function visit(entry) {
  for (const one of entries()) { one.classList.toggle("at", one === entry); }
  entry.focus({ preventScroll: true });
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  entry.scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "center" });
}

function step(by) {
  const all = entries();
  const at = list.querySelector(".review.at") || document.activeElement?.closest(".review");
  const place = at ? all.indexOf(at) + by : 0;
  visit(all[Math.min(Math.max(place, 0), all.length - 1)]);
}

async function press(entry, key) {
  const form = entry.querySelector("form.correct");
  const target = form?.querySelector(key === "u" ? "button[name='undo']" : `[data-key='${CSS.escape(key)}']`);
  if (!target) { return; }
  if (target.matches("input")) { target.checked = !target.checked; return; }
  await correct(form, target);
  entry.classList.toggle("done", key !== "u");
}

function onKey(event) {
  if (!toggle.checked || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) { return; }
  if (event.target.closest("input:not([type='checkbox']), select, textarea")) { return; }
  const key = event.key.toLowerCase();
  if (key === "n") { step(1); } else if (key === "p") { step(-1); } else if (/^[1-9us]$/.test(key)) { press(current(), key); } else { return; }
  event.preventDefault();
}

function setKeys(on) {
  list.classList.toggle("with-keys", on);
  document.getElementById("keys-words").hidden = !on;
}

if (list) {
  toggle.checked = recall() !== "off";
  setKeys(toggle.checked);
  toggle.addEventListener("change", () => {
    remember(toggle.checked ? "on" : "off");
    setKeys(toggle.checked);
    tell(word(toggle.checked ? "js.keys_on" : "js.keys_off"));
  });
  document.addEventListener("keydown", onKey);
  list.addEventListener("focusin", (event) => {
    const entry = event.target.closest(".review");
    if (entry) { for (const one of entries()) { one.classList.toggle("at", one === entry); } }
  });
}
