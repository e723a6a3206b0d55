// Asks before anything is deleted, in a dialog; without a script the server's page asks.
import { tell, word } from "./words.js";
import { send } from "./send.js";

const dialog = document.getElementById("delete-dialog");

export function sure(what) {
  document.getElementById("delete-what").textContent = what;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

export const what = (n, name) => word("js.delete_what", { n, name });

export async function deleteOne(id, name) {
  if (!await sure(what(1, name))) { return false; }
  const body = new URLSearchParams([["id", id], ["sure", "1"]]);
  await send("/pictures/delete", { method: "POST", body });
  tell(word("js.gone"));
  return true;
}

function said(form) {
  if (form.dataset.count === "all") { return word("js.delete_all"); }
  if (form.dataset.count) { return what(1, form.dataset.name); }
  return what(form.querySelectorAll("input[name='id']:checked").length, "");
}

// Forms of class "deleting": asked for, sent, and then the gallery says how many are gone.
for (const form of document.querySelectorAll("form.deleting")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const chosen = form.querySelectorAll("input[name='id']:checked, input[type='hidden'][name='id']").length;
    if (!chosen && form.dataset.count !== "all") { tell(word("js.none_chosen")); return; }
    if (!await sure(said(form))) { return; }
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: "sure", value: "1" });
    form.append(field);
    form.submit();
  });
}
