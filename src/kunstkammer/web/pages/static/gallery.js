// Choosing several pictures; filters ask anew when they change.
import "./deleting.js";
import { tell, word } from "./words.js";

const form = document.getElementById("several");
if (form) {
  const ticks = [...form.querySelectorAll("input[name='id']")];
  const all = document.getElementById("choose-all");
  const button = document.getElementById("delete-several");
  const plain = button.textContent;
  const count = (aloud) => {
    const n = ticks.filter((tick) => tick.checked).length;
    button.disabled = n === 0;
    button.textContent = n ? word("js.delete_chosen", { n }) : plain;
    all.checked = n === ticks.length;
    all.indeterminate = n > 0 && n < ticks.length;
    if (aloud) { tell(word("js.chosen", { n })); }
  };
  all.addEventListener("change", () => { for (const tick of ticks) { tick.checked = all.checked; } count(true); });
  form.addEventListener("change", (event) => { if (event.target.name === "id") { count(true); } });
  addEventListener("pageshow", () => count(false));
  count(false);
}
