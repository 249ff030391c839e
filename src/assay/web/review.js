"use strict";
(() => {
  const $ = (query) => document.querySelector(query);
  const form = $("#decision");
  const typing = (at) => at.matches("input:not([type=radio]):not([type=checkbox]), textarea, select");

  // ---- the form shows what its action needs, and what is wrong as it is typed ----

  if (form) {
    const boxes = [...form.querySelectorAll("input[name=label]")];
    const action = () => form.elements.action.value;
    const fit = () => {
      for (const part of form.querySelectorAll("fieldset[data-for]")) {
        part.hidden = !part.dataset.for.split(" ").includes(action() || "same"); // a name, until one is chosen
      }
    };
    let waiting = 0, asked = null;
    const check = async () => {
      asked?.abort();
      if (!action()) return;
      asked = new AbortController();
      try {
        const body = new URLSearchParams(new FormData(form));
        const answer = await fetch(form.dataset.check, { method: "POST", body, signal: asked.signal });
        if (!answer.ok) return;
        const { errors, warnings } = await answer.json();
        const line = (kind) => (text) => Object.assign(document.createElement("p"), { className: kind, textContent: text });
        $("#found").replaceChildren(...errors.map(line("error")), ...warnings.map(line("warning")));
        form.dataset.checked = action();
      } catch { /* the page was left, or the server is gone: saving will tell */ }
    };
    const soon = () => { clearTimeout(waiting); waiting = setTimeout(check, 200); };
    form.addEventListener("change", (event) => {
      if (event.target.name === "action") {
        const one = { rename: boxes[0].value, split: form.dataset.divided }[action()];
        boxes.forEach((box, at) => { box.checked = one ? box.value === one : at < 2 || box.checked; });
      }
      fit();
    });
    form.addEventListener("input", soon);
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault(); // once is enough
      form.dataset.sent = "yes";
    });
    addEventListener("pageshow", () => { delete form.dataset.sent; fit(); });
    fit();
  }

  // ---- keys ----

  const items = [...document.querySelectorAll("a.item")];
  const move = (by) => {
    if (!items.length) return void $(by > 0 ? "a[rel=next]" : "a[rel=prev]")?.click();
    const at = items.indexOf(document.activeElement);
    items[Math.min(Math.max(at + by, 0), items.length - 1)].focus();
  };
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    q: () => { location.href = $(".top nav a").href; },
    u: () => $("#undo button:enabled")?.click(),
    "/": () => { const field = $("#search") ?? $("#find"); field.focus(); field.select(); },
    "?": () => { const help = $("#help"); help.open = !help.open; help.scrollIntoView({ block: "nearest" }); },
  };
  for (const number of [1, 2, 3, 4, 5]) {
    keys[number] = () => {
      const choice = form?.querySelectorAll("input[name=action]")[number - 1];
      choice?.click();
      choice?.focus();
    };
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const at = event.target;
    if (event.key === "Escape") return void (at.blur?.());
    if (at instanceof Element && typing(at)) return;
    if (event.key === "Enter" && form && !(at instanceof Element && at.closest("a, button, summary"))) {
      event.preventDefault();
      form.requestSubmit(form.querySelector("button.primary"));
      return;
    }
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
})();
