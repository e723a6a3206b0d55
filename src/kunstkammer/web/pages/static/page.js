// What every page has: colours change at once, without a round trip to the server and back.
import { tell, word } from "./words.js";
import { sendForm } from "./send.js";

for (const form of document.querySelectorAll("form.switches")) {
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button?.name !== "theme") { return; }
    event.preventDefault();
    document.documentElement.dataset.theme = button.value;
    const scheme = button.value === "auto" ? "light dark" : button.value;
    document.querySelector("meta[name='color-scheme']").content = scheme;
    for (const other of button.parentElement.children) { other.setAttribute("aria-pressed", String(other === button)); }
    tell(word("js.theme", { theme: button.textContent.trim() }));
    sendForm(form, button).catch(() => undefined);
  });
}

// Selects whose form only asks anew do so when they change.
for (const form of document.querySelectorAll("form.models")) {
  form.addEventListener("change", () => form.requestSubmit());
}
