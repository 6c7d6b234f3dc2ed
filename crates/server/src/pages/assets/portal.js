// Checks an application before it is sent, in the words of the page. The server checks it again, and does it alone
// where no script runs.
"use strict";
const form = document.querySelector("form[data-summary]");
const texts = form?.dataset;

function labelOf(field) {
  const label = field.querySelector("legend") ?? field.querySelector(".tick > span") ?? field.querySelector("label");
  return label.firstChild.textContent.trim();
}

function errorOf(field, control) {
  if (field.matches("fieldset")) return field.querySelector(":checked") ? "" : texts.chooseATier;
  if (!control.required) return "";
  if (control.type === "checkbox") return control.checked ? "" : texts.mustAgree;
  if (control.value.trim()) return "";
  return control.matches("select") ? texts.chooseOne : texts.fillIn;
}

function unmark(described, id) {
  const parts = (described.getAttribute("aria-describedby") ?? "").split(" ").filter((part) => part && part !== id);
  if (parts.length) described.setAttribute("aria-describedby", parts.join(" "));
  else described.removeAttribute("aria-describedby");
  return parts;
}

/** Shows what is wrong with each field, and tells what is. */
function judge() {
  const wrong = [];
  for (const field of form.querySelectorAll(".field")) {
    const control = field.querySelector("input, textarea, select");
    const described = field.matches("fieldset") ? field : control;
    const id = described.id.replace("field-", "error-");
    field.querySelector(".error")?.remove();
    const parts = unmark(described, id);
    const error = errorOf(field, control);
    field.classList.toggle("wrong", Boolean(error));
    control.removeAttribute("aria-invalid");
    if (!error) continue;
    const told = Object.assign(document.createElement("p"), { className: "error", id, textContent: error });
    (field.querySelector(".tick") ?? control).before(told);
    described.setAttribute("aria-describedby", [...parts, id].join(" "));
    if (described === control) control.setAttribute("aria-invalid", "true");
    wrong.push({ id: described.id, label: labelOf(field), error });
  }
  return wrong;
}

function summarize(wrong) {
  const summary = document.createElement("div");
  summary.className = "errors";
  summary.setAttribute("role", "alert");
  summary.tabIndex = -1;
  const list = document.createElement("ul");
  for (const { id, label, error } of wrong) {
    const link = Object.assign(document.createElement("a"), { href: `#${id}`, textContent: label });
    const item = document.createElement("li");
    item.append(link, ` ${error}`);
    list.append(item);
  }
  summary.append(Object.assign(document.createElement("h2"), { textContent: texts.summary }), list);
  document.querySelector(".errors")?.remove();
  document.getElementById("content").prepend(summary);
  summary.focus();
}

form?.addEventListener("submit", (event) => {
  const wrong = judge();
  if (!wrong.length) return;
  event.preventDefault();
  summarize(wrong);
});
// What has been mended is not complained of any longer.
form?.addEventListener("change", () => {
  if (form.querySelector(".wrong")) judge();
});
