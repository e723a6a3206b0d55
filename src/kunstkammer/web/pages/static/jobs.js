// How far the jobs are: the server's list again and again while one is open, and nothing moves that did not change.
import { nodes, send } from "./send.js";
import { tell, word } from "./words.js";

const EVERY = 1500;
const place = document.getElementById("jobs");
const open = () => place.querySelector("[data-status='waiting'], [data-status='running']");

// Whoever has the focus in a job keeps it: on the button at the same place, or on the job's first one.
function replace(old, fresh) {
  const buttons = [...old.querySelectorAll("a, button, summary")];
  const at = buttons.indexOf(document.activeElement);
  const opened = old.querySelector("details")?.open;
  old.replaceWith(fresh);
  if (opened && fresh.querySelector("details")) { fresh.querySelector("details").open = true; }
  if (at >= 0) {
    const others = [...fresh.querySelectorAll("a, button, summary")];
    (others[at] || others[0])?.focus();
  }
}

async function look() {
  try {
    const fresh = nodes(await (await send("/jobs")).text());
    for (const item of [...fresh.querySelectorAll("[data-job]")]) {
      const old = place.querySelector(`[data-job="${item.dataset.job}"]`);
      if (!old || old.outerHTML === item.outerHTML) { continue; }
      const ended = old.dataset.status !== item.dataset.status && !["waiting", "running"].includes(item.dataset.status);
      replace(old, item);
      if (ended) { tell(word(`js.job_${item.dataset.status}`)); }
    }
  } catch { /* the server is away or busy: the next look may find it */ }
  if (open()) { setTimeout(look, EVERY); }
}

if (open()) { setTimeout(look, EVERY); }
