// One click says what is right: the form's own answer takes its place, and the focus stays where it was.
import { problemWords, tell, word } from "./words.js";
import { Refused, nodes, sendForm } from "./send.js";

export async function correct(form, button) {
  const labels = form.querySelector("fieldset")
    ? [...form.querySelectorAll("input[name='label']:checked")].map((one) => one.value)
    : [button?.value];
  if (form.getAttribute("aria-busy") === "true") { return form; }
  const undo = button?.name === "undo";
  form.setAttribute("aria-busy", "true");
  try {
    const answer = await sendForm(form, button);
    const made = nodes(await answer.text()).querySelector("form");
    const focused = form.contains(document.activeElement);
    const value = button?.value;
    form.replaceWith(made);
    if (focused) {
      const same = [...made.querySelectorAll("button")].find((one) => one.name === button?.name && one.value === value);
      (same || made.querySelector("button, input:not([type='hidden'])"))?.focus();
    }
    tell(undo ? word("js.undone") : word("js.corrected", { labels: labels.join(", ") }));
    return made;
  } catch (error) {
    form.removeAttribute("aria-busy");
    if (!(error instanceof Refused)) { throw error; }
    const said = form.querySelector(".trouble") || document.createElement("p");
    said.className = "notice bad trouble";
    said.setAttribute("role", "alert");
    said.textContent = problemWords(error.problem);
    form.append(said);
    return form;
  }
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.correct")) { return; }
  event.preventDefault();
  correct(event.target, event.submitter);
});
