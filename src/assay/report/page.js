"use strict";
(() => {
  const root = document.documentElement;
  const palette = JSON.parse(document.getElementById("colors").textContent);
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const printing = matchMedia("print");
  const touch = matchMedia("(pointer: coarse)").matches; // a finger scrolls the page, and the tools are always shown
  const TOP = touch ? 68 : 40;
  const isDark = () => !printing.matches && (root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches);
  const count = (n) => n.toLocaleString("en");

  const look = () => {
    const dark = isDark();
    const [blue, vermilion, green, purple, orange, sky, yellow, grey] = palette;
    return {
      ink: dark ? "#e6e6e6" : "#1b1b1b", soft: dark ? "#a8a8a8" : "#5a5a5a", line: dark ? "#3a3a3e" : "#d9d9d6", paper: dark ? "#161618" : "#ffffff",
      faint: dark ? "#5c5c62" : "#bdbdba",
      colorway: dark ? [sky, orange, green, purple, yellow, vermilion, blue, grey]
                     : [blue, vermilion, green, purple, orange, sky, "#000000", grey],
      scale: dark ? [[0, "#14406b"], [0.5, "#56b4e9"], [1, "#fdf3d0"]] : [[0, "#f2d9a0"], [0.5, "#d55e00"], [1, "#3b0f4f"]],
    };
  };
  const template = () => {
    const { ink, soft, line, paper, colorway } = look();
    const axis = { gridcolor: line, linecolor: line, zerolinecolor: line, automargin: true, title: { standoff: 10 } };
    return {
      layout: {
        colorway, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: ink, size: 13, family: "system-ui, -apple-system, Segoe UI, Roboto, Noto Sans, sans-serif" },
        xaxis: axis, yaxis: axis, hovermode: "closest", dragmode: touch ? false : "zoom", margin: { l: 56, r: 16, t: TOP, b: 48 },
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
        hoverlabel: { bgcolor: paper, bordercolor: line, align: "left", font: { color: ink } },
      },
    };
  };
  const config = {
    responsive: true, displaylogo: false, displayModeBar: "hover",
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
  };
  const redraws = [];

  const figure = async (block) => {
    const div = block.previousElementSibling, { data, layout } = JSON.parse(block.textContent);
    await Plotly.newPlot(div, data, { height: 380, ...layout, template: template() }, config);
    redraws.push(() => Plotly.relayout(div, { template: template() }));
  };

  // ---- the map ----

  const arrays = { f4: Float32Array, u4: Uint32Array, u1: Uint8Array };
  const typed = ({ dtype, bdata }) =>
    new arrays[dtype](Uint8Array.from(atob(bdata), (c) => c.charCodeAt(0)).buffer);
  const element = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const hasWebGL = () => {
    try { return Boolean(document.createElement("canvas").getContext("webgl")); } catch { return false; }
  };
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); // plotly reads tags
  const SAMPLE = 3000; // points drawn without WebGL
  const CLASSES = palette.length; // labels with a colour
  const LISTED = 8; // matches of a search that are listed

  const map = async (box) => {
    const data = JSON.parse(box.nextElementSibling.textContent);
    const x = typed(data.x), y = typed(data.y), total = x.length;
    const webgl = hasWebGL();
    const fields = data.fields.map((field) => {
      const read = { ...field };
      for (const key of ["values", "codes", "rows", "kept"]) if (field[key]) read[key] = typed(field[key]);
      if (field.kind === "chosen") {
        read.order = new Map(Array.from(read.rows, (row, at) => [row, at + 1]));
        read.isKept = new Set(read.kept);
      }
      return read;
    });
    const step = webgl ? 1 : Math.max(1, Math.ceil(total / SAMPLE));
    const drawn = Array.from({ length: total }, (_, row) => row).filter((row) => row % step === 0);

    const plot = element("div", { className: "plot" });
    const tip = element("div", { className: "tip", hidden: true });
    const colour = element("select", { id: "map-colour" }, ...fields.map((f, at) => new Option(f.name, String(at))));
    const search = element("input", { id: "map-search", type: "search", placeholder: "words in the text" });
    const found = element("output", { className: "found" });
    const matches = element("ol", { className: "matches" });
    const note = element("p", { className: "note" });
    box.append(
      element("div", { className: "controls" },
        element("label", {}, "Colour by ", colour), element("label", {}, "Search ", search), found),
      element("div", { className: "stage" }, plot, tip), note, matches,
    );

    let shown = []; // for each trace the rows of its points
    let matched = [];
    const size = Math.max(2.5, 10 - 1.55 * Math.log10(drawn.length)) * (innerWidth < 640 ? 0.75 : 1);
    const trace = (rows, name, marker) => {
      shown.push(rows);
      return {
        type: webgl ? "scattergl" : "scatter", mode: "markers", hoverinfo: "none", name: plain(name),
        x: Float32Array.from(rows, (row) => x[row]), y: Float32Array.from(rows, (row) => y[row]),
        marker: { size, line: { width: 0 }, ...marker },
      };
    };
    const coloured = (field) => {
      const { colorway, scale, faint } = look();
      if (field.kind === "number") {
        const [cmin, cmax] = field.range;
        return [trace(drawn, field.name, {
          color: Float32Array.from(drawn, (row) => field.values[row]), colorscale: scale, cmin, cmax, showscale: true,
          colorbar: { thickness: 12, outlinewidth: 0, len: 0.9, tickfont: { size: 11 } },
        })];
      }
      if (field.kind === "class") {
        const named = field.labels.length <= CLASSES ? field.labels.length : CLASSES - 1; // the most frequent ones
        const groups = field.labels.slice(0, named).map((label) => [label, []]);
        if (named < field.labels.length) groups.push([`${field.labels.length - named} others`, []]);
        for (const row of drawn) groups[Math.min(field.codes[row], groups.length - 1)][1].push(row);
        return groups.map(([label, rows], at) => trace(rows, `${label} (${count(rows.length)})`, { color: colorway[at] }));
      }
      const rest = drawn.filter((row) => !field.order.has(row) && !field.isKept.has(row));
      const parts = [trace(rest, `not chosen (${count(total - field.rows.length - field.kept.length)})`, { color: faint })];
      if (field.kept.length) {
        parts.push(trace([...field.kept], `kept from the start (${count(field.kept.length)})`,
          { color: colorway[2], size: size + 1.5, symbol: "diamond" }));
      }
      parts.push(trace([...field.rows], `chosen (${count(field.rows.length)})`, { color: colorway[0], size: size + 1.5 }));
      return parts;
    };
    const draw = () => {
      const field = fields[Number(colour.value)], { ink } = look();
      shown = [];
      tip.hidden = true;
      const traces = coloured(field);
      if (matched.length) {
        const rows = webgl ? matched : matched.slice(0, SAMPLE);
        traces.push(trace(rows, `matches (${count(matched.length)})`,
          { symbol: "circle-open", size: size + 5, color: ink, line: { width: 1.5, color: ink } }));
      }
      note.textContent = (field.note ?? "") + (webgl ? "" :
        ` This browser has no WebGL: ${count(drawn.length)} of ${count(total)} points are drawn, and all chosen ones.`);
      const axis = { showticklabels: false, showgrid: false, zeroline: false, ticks: "" };
      return Plotly.react(plot, traces, {
        height: Math.round(Math.min(640, Math.max(360, innerHeight * 0.7))), uirevision: "same", showlegend: field.kind !== "number" || matched.length > 0,
        xaxis: axis, yaxis: { ...axis, scaleanchor: "x" }, margin: { l: 8, r: 8, t: TOP, b: 8 },
        legend: { itemsizing: "constant" }, template: template(),
        modebar: { orientation: touch || field.kind === "number" ? "h" : "v" },
      }, config);
    };

    const known = (row) => {
      const facts = [data.ids ? `row ${count(row)}, ${data.ids[row]}` : `row ${count(row)}`];
      for (const field of fields) {
        if (field.kind === "number") facts.push(`${field.name} ${field.values[row].toPrecision(4)}`);
        else if (field.kind === "class") facts.push(`${field.name} ${field.labels[field.codes[row]]}`);
        else if (field.order.has(row)) facts.push(`${field.name} ${count(field.order.get(row))} of ${count(field.rows.length)}`);
        else if (field.isKept.has(row)) facts.push("kept from the start");
      }
      return facts.join(" · ");
    };
    const tell = ({ points, event }) => {
      const row = shown[points[0].curveNumber][points[0].pointNumber];
      tip.replaceChildren(element("div", {}, data.texts[row]), element("div", { className: "note" }, known(row)));
      tip.hidden = false;
      const stage = tip.parentElement.getBoundingClientRect();
      const left = event.clientX - stage.left, top = event.clientY - stage.top;
      tip.style.left = `${Math.max(0, Math.min(left + 14, stage.width - tip.offsetWidth))}px`;
      tip.style.top = `${top + 14 + tip.offsetHeight > stage.height ? Math.max(0, top - 14 - tip.offsetHeight) : top + 14}px`;
    };

    let lowered = null;
    const look_for = () => {
      const wanted = search.value.trim().toLowerCase();
      lowered ??= data.texts.map((text) => text.toLowerCase());
      matched = [];
      if (wanted) lowered.forEach((text, row) => { if (text.includes(wanted)) matched.push(row); });
      found.textContent = wanted ? `${count(matched.length)} of ${count(total)} rows` : "";
      matches.replaceChildren(...matched.slice(0, LISTED).map((row) =>
        element("li", {}, data.texts[row], element("div", { className: "note" }, known(row)))));
      return draw();
    };
    let waiting = 0;
    search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(look_for, 200); });
    colour.addEventListener("change", draw);
    await draw();
    plot.on("plotly_hover", tell);
    plot.on("plotly_click", tell);
    plot.on("plotly_unhover", () => { tip.hidden = true; });
    redraws.push(draw);
  };

  const start = async () => {
    for (const block of document.querySelectorAll("script.figure-data")) await figure(block);
    for (const box of document.querySelectorAll("div.map")) await map(box);
    const redraw = () => redraws.forEach((again) => again());
    document.getElementById("theme").addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      redraw();
    });
    prefersDark.addEventListener("change", redraw);
    printing.addEventListener("change", redraw);
    root.dataset.ready = "yes";
  };
  start();
})();
