(async () => {
  "use strict";
  const root = document.documentElement;
  const find = (name) => document.querySelector(name);

  // The theme: what the reader's system says, until the button says otherwise.
  const isDark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const button = document.createElement("button");
  button.id = "theme";
  button.type = "button";
  const told = () => { button.textContent = isDark() ? "light" : "dark"; button.setAttribute("aria-label", `switch to ${button.textContent} colours`); };
  button.onclick = () => { root.dataset.theme = isDark() ? "light" : "dark"; told(); repaint(); };
  told();
  const tools = document.createElement("nav");
  tools.id = "tools";
  tools.append(button);
  document.body.prepend(tools);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { told(); repaint(); });

  const charts = [];
  const colour = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const MARKS = { liquidation: "--bad", call: "--warn", adl: "--c3", flow: "--c6", funding: "--c6" };

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };

  const POINTS = { buy: ["triangle-up", "--good"], sell: ["triangle-down", "--bad"], forced: ["x", "--bad"], funding: ["line-ns-open", "--c6"] };

  function traces(data) {
    const made = data.lines.map((line) => {
      const x = line.x.map((offset) => new Date(data.start + offset));
      if (line.points) {
        const [symbol, ink] = POINTS[line.points];
        return { x, y: line.y, text: line.text, name: line.name, mode: "markers", type: "scatter", hovertemplate: "%{text}<extra></extra>",
          marker: { symbol, size: line.points === "funding" ? 7 : 9, color: colour(ink), line: { width: 1, color: colour(line.points === "funding" ? ink : "--back") } } };
      }
      const ink = colour(line.ink);
      return { x, y: line.y, name: line.name, mode: "lines", type: "scatter", connectgaps: false,
        line: { color: ink, width: 1.6, shape: line.step ? "hv" : "linear" }, fill: line.fill ? "tozeroy" : "none", fillcolor: ink + "29",
        hovertemplate: `${data.hover}<extra>${escaped(line.name)}</extra>` };
    });
    const kinds = [...new Set(data.marks.map((mark) => mark[1]))];
    for (const kind of kinds) {
      const mine = data.marks.filter((mark) => mark[1] === kind);
      made.push({ x: mine.map((mark) => new Date(mark[0])), y: mine.map(() => 1), yaxis: "y2", text: mine.map((mark) => escaped(mark[2])), name: kind,
        mode: "markers", type: "scatter", hovertemplate: "%{text}<extra></extra>", marker: { color: colour(MARKS[kind]), size: 8 } });
    }
    return made;
  }

  // Names and texts come from the run; plotly reads a few tags in them.
  function escaped(text) { return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"); }

  function layout(data) {
    const grid = colour("--grid"), soft = colour("--soft");
    const lines = data.marks.map((mark) => ({ type: "line", xref: "x", yref: "paper", x0: new Date(mark[0]), x1: new Date(mark[0]), y0: 0, y1: 1,
      line: { color: colour(MARKS[mark[1]]), width: 1 }, opacity: 0.55 }));
    const levels = data.levels.map(([value]) => ({ type: "line", xref: "paper", yref: "y", x0: 0, x1: 1, y0: value, y1: value,
      line: { color: colour("--bad"), width: 1, dash: "dash" } }));
    const named = data.levels.map(([value, text]) => ({ xref: "paper", x: 1, y: value, xanchor: "right", yanchor: "bottom", text: escaped(text), showarrow: false, font: { color: colour("--bad"), size: 11 } }));
    const percent = data.hover.includes("%}");
    return {
      height: data.height + 46, margin: { l: 58, r: 8, t: 6, b: 40 }, showlegend: false, hovermode: "x unified", dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: "inherit", size: 11, color: soft },
      hoverlabel: { bgcolor: colour("--card"), bordercolor: colour("--rule"), font: { color: colour("--ink"), size: 12 } },
      xaxis: { type: "date", range: [new Date(data.start), new Date(data.end)], gridcolor: grid, hoverformat: "%Y-%m-%d %H:%M:%S UTC", zeroline: false, linecolor: soft },
      yaxis: { gridcolor: grid, zerolinecolor: soft, fixedrange: true, range: span(data, data.start, data.end), tickformat: percent ? ".3~p" : undefined, nticks: 6 },
      yaxis2: { overlaying: "y", range: [0, 1.02], visible: false, fixedrange: true },
      shapes: [...lines, ...levels], annotations: named, modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: colour("--accent") },
    };
  }

  // What is seen between two times, with a little air; the value that stood at the beginning is seen too.
  function span(data, from, to) {
    let low = Infinity, high = -Infinity;
    const take = (value) => { if (value !== null && value !== undefined) { if (value < low) low = value; if (value > high) high = value; } };
    for (const line of data.lines) {
      let before = null;
      for (let i = 0; i < line.x.length; i++) {
        const time = data.start + line.x[i];
        if (time < from) { before = line.y[i]; continue; }
        if (time > to) break;
        take(line.y[i]);
      }
      if (!line.points) take(before);
    }
    if (data.zero) take(0);
    if (low > high) return [0, 1];
    for (const [value] of data.levels) if (value >= low - 0.6 * (high - low) && value <= high + 0.6 * (high - low)) take(value);
    const air = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 1;
    return [low === 0 ? 0 : low - air, high === 0 ? 0 : high + air];
  }

  let all = null, now = null, busy = false;
  async function show(from, to) {
    if (busy || !charts.length) return;
    busy = true;
    [from, to] = [Math.max(all[0], from), Math.min(all[1], to)];
    if (to - from < 1000) to = from + 1000;
    now = [from, to];
    await Promise.all(charts.map(({ place, data }) => Plotly.relayout(place, { "xaxis.range": [new Date(from), new Date(to)], "yaxis.range": span(data, from, to) })));
    busy = false;
  }

  function repaint() {
    for (const { place, data } of charts) Plotly.react(place, traces(data), now ? { ...layout(data), xaxis: { ...layout(data).xaxis, range: now.map((time) => new Date(time)) }, yaxis: { ...layout(data).yaxis, range: span(data, ...now) } } : layout(data), OPTIONS);
  }

  const OPTIONS = { responsive: true, displaylogo: false, doubleClick: false, modeBarButtons: [["toImage"]], toImageButtonOptions: { format: "png", scale: 2 } };

  function tool(text, label, act) {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.setAttribute("aria-label", label);
    made.title = label;
    made.onclick = act;
    tools.append(made);
    return made;
  }

  const figures = [...document.querySelectorAll("figure[data-live]")];
  const library = find("#library");
  const state = (text) => { root.dataset.charts = text; };
  if (!figures.length || !library || typeof DecompressionStream === "undefined") return state("still");
  try {
    const script = document.createElement("script");
    script.textContent = await unpack(library.textContent);
    library.replaceWith(script);
    if (typeof Plotly === "undefined") return state("still");
    for (const figure of figures) {
      const data = JSON.parse(await unpack(figure.dataset.live));
      const place = document.createElement("div");
      place.className = "live";
      figure.append(place);
      figure.classList.add("is-live");
      await Plotly.newPlot(place, traces(data), layout(data), OPTIONS);
      charts.push({ place, data });
      all = all ? [Math.min(all[0], data.start), Math.max(all[1], data.end)] : [data.start, data.end];
      place.on("plotly_relayout", (change) => {
        if (busy || !("xaxis.range[0]" in change)) return;
        // Plotly tells times as text, in UTC.
        const [from, to] = [0, 1].map((end) => Date.parse(String(change[`xaxis.range[${end}]`]).replace(" ", "T") + "Z"));
        if (Number.isFinite(from) && Number.isFinite(to)) show(from, to);
      });
      place.on("plotly_doubleclick", () => show(...all));
    }
    const part = (left, right) => () => { const [from, to] = now || all, width = to - from; show(from + left * width, to + right * width); };
    tool("+", "zoom in", part(0.25, -0.25));
    tool("−", "zoom out", part(-0.5, 0.5));
    tool("‹", "earlier", part(-0.5, -0.5));
    tool("›", "later", part(0.5, 0.5));
    tool("all", "the whole run", () => show(...all));
    state("live");
  } catch (error) {
    // The drawn pictures are still there.
    for (const figure of figures) figure.classList.remove("is-live");
    state("still");
    console.error(error);
  }
})();
