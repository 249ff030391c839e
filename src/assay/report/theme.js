"use strict";
(() => {
  const root = document.documentElement, dark = matchMedia("(prefers-color-scheme: dark)");
  document.getElementById("theme").addEventListener("click", () => {
    const now = root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
    root.dataset.theme = now ? "light" : "dark";
  });
})();
