// What the console can do better with a script than without; nothing needs it.
"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = document.getElementById(button.dataset.copy);
    await navigator.clipboard.writeText(source.textContent.trim());
    button.textContent = "Copied";
    document.getElementById("copied").textContent = "Copied to the clipboard";
  });
}
// Lists are filtered as soon as a choice is made, unless the keyboard is still choosing.
for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}
// The overview stays current while somebody looks at it.
const live = document.getElementById("live");
if (live) {
  setInterval(async () => {
    if (document.hidden || live.contains(document.activeElement)) return;
    const answer = await fetch(location.pathname, { headers: { accept: "text/html" } });
    if (!answer.ok || answer.redirected) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const next = fresh.getElementById("live");
    if (next) live.replaceChildren(...next.childNodes);
  }, 15000);
}
