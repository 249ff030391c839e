"use strict";
(() => {
  const root = document.documentElement;
  const colors = JSON.parse(document.getElementById("colors").textContent);
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const printing = matchMedia("print");
  const dark = () => !printing.matches && (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);

  const template = () => {
    const [ink, line, paper] = dark() ? ["#e6e6e6", "#3a3a3e", "#161618"] : ["#1b1b1b", "#d9d9d6", "#ffffff"];
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, title: { standoff: 10 } };
    const colorway = dark() ? ["#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#F0E442", "#D55E00", "#0072B2", "#999999"] : colors;
    return {
      layout: {
        colorway, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: ink, size: 13, family: "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, sans-serif" },
        xaxis: axis, yaxis: axis, hovermode: "closest", margin: { l: 56, r: 16, t: 36, b: 48 },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        hoverlabel: { bgcolor: paper, bordercolor: line, align: "left", font: { color: ink } },
      },
    };
  };

  const figures = [];
  const draw = (div, data, layout) => {
    figures.push(div);
    return Plotly.newPlot(div, data, { height: 380, ...layout, template: template() }, {
      responsive: true, displaylogo: false, displayModeBar: "hover",
      modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
    });
  };
  const restyle = () => Promise.all(figures.map((div) => Plotly.relayout(div, { template: template() })));

  const start = async () => {
    for (const block of document.querySelectorAll("script.figure-data")) {
      const figure = JSON.parse(block.textContent);
      await draw(block.previousElementSibling, figure.data, figure.layout);
    }
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      restyle();
    });
    prefersDark.addEventListener("change", restyle);
    printing.addEventListener("change", restyle);
    root.dataset.ready = "yes";
  };
  start();
})();
