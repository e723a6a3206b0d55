// Requests of our own page: with the session's token, asking for pieces of pages and for problems as documents.
import { offline } from "./words.js";

export const headers = () => ({ "X-CSRF-Token": document.body.dataset.csrf, "X-Fragment": "1", Accept: "text/html, application/problem+json" });

export class Refused extends Error {
  constructor(problem, status, retryAfter) {
    super(problem?.detail || String(status));
    this.problem = problem;
    this.status = status;
    this.retryAfter = Number(retryAfter) || 0;
  }
}

async function problemOf(answer) {
  try { return await answer.json(); } catch { return { type: answer.status >= 500 ? "fault" : "bad-request" }; }
}

export async function send(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { credentials: "same-origin", ...options, headers: { ...headers(), ...(options.headers || {}) } });
  } catch (error) {
    if (error.name === "AbortError") { throw error; }
    throw new Refused(offline, 0);
  }
  if (!answer.ok) { throw new Refused(await problemOf(answer), answer.status, answer.headers.get("Retry-After")); }
  return answer;
}

// A form as the browser would send it, the button that was pressed included.
export function sendForm(form, button, more = {}) {
  const fields = new URLSearchParams(new FormData(form));
  if (button?.name) { fields.append(button.name, button.value); }
  for (const [name, value] of Object.entries(more)) { fields.append(name, value); }
  return send(form.getAttribute("action"), { method: "POST", body: fields });
}

// A piece of a page that our own server made, as nodes; scripts in it would not run, and there are none.
export function nodes(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}
