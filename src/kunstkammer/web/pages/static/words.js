// The sentences that scripts fill in; the server wrote them into the page in the visitor's language.
const sentences = JSON.parse(document.body.dataset.words || "{}");
export const language = document.documentElement.lang || "en";

export function word(key, values = {}) {
  const plural = values.n === 1 && sentences[`${key}.one`] ? `${key}.one` : key;
  const text = sentences[plural];
  if (text === undefined) { throw new Error(`no sentence ${key}`); }
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

export const percent = (share) => new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0 }).format(share);
export const decimal = (value, digits = 1) => new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value);

export function size(bytes) {
  for (const [unit, width] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= width) { return `${decimal(bytes / width)} ${unit}`; }
  }
  return `${bytes} B`;
}

// Said to a screen reader, once; the text is emptied first so that the same words twice are said twice.
let telling = 0;
export function tell(text) {
  const place = document.getElementById("told");
  clearTimeout(telling);
  place.textContent = "";
  telling = setTimeout(() => { place.textContent = text; }, 60);
}

// A problem document as words: what, and what to do.
export function problemWords(problem) {
  const kind = String(problem?.type || "").split("/").pop();
  const known = `problem.${kind}.title` in sentences ? kind : "fault";
  return word("js.failed", { title: word(`problem.${known}.title`), mend: word(`problem.${known}.mend`) });
}
export const offline = { type: "offline" };
