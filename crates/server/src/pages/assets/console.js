// What the console can do better with a script than without; nothing needs it.
"use strict";
const told = document.createElement("p");
told.className = "hidden";
told.setAttribute("role", "status");
document.body.append(told);

async function copy(button, text) {
  await navigator.clipboard.writeText(text.trim());
  const before = button.textContent;
  button.textContent = "Copied";
  told.textContent = "Copied to the clipboard";
  setTimeout(() => {
    button.textContent = before;
    told.textContent = "";
  }, 2000);
}

function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    const source = document.getElementById(button.dataset.copy);
    button.addEventListener("click", () => copy(button, source.textContent));
  }
  for (const id of root.querySelectorAll("[data-copyable]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", `Copy ${id.textContent}`);
    const text = id.textContent;
    button.addEventListener("click", () => copy(button, text));
    id.append(button);
  }
}
offerCopies(document);

// Lists are filtered as soon as a choice is made, unless the keyboard is still choosing.
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

// What changes by itself stays current while somebody looks at it, as often as the page asks.
const live = document.getElementById("live");
async function refresh() {
  if (!document.hidden && !live.contains(document.activeElement)) {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
    if (answer?.redirected) return;
    if (answer?.ok) {
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const next = fresh.getElementById("live");
      if (next) {
        live.dataset.every = next.dataset.every ?? "";
        live.replaceChildren(...next.childNodes);
        offerCopies(live);
      }
    }
  }
  again();
}
function again() {
  const seconds = Number(live.dataset.every);
  if (seconds > 0) setTimeout(refresh, seconds * 1000);
}
if (live) again();
