"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const chart = byId("chart"), axis = byId("axis"), canvas = byId("bars"), tip = byId("tip");
const LEVEL = 17, GAP = 7, HEAD = 22, AXIS = 26;
const STEPS = ["provider", "server", "template", "clone", "claim", "seeds", "body", "reset", "drop"];

let run, bars, tops, height, from, to, chosen = null;
const hidden = new Set();

function element(name, attributes, ...children) {
  const made = Object.assign(document.createElement(name), attributes);
  made.append(...children);
  return made;
}

// Microseconds, for people.
function time(us) {
  if (us < 1e3) return `${Math.round(us)} µs`;
  if (us < 1e5) return `${(us / 1e3).toFixed(us < 1e4 ? 2 : 1)} ms`;
  if (us < 1e6) return `${Math.round(us / 1e3)} ms`;
  if (us < 6e7) return `${(us / 1e6).toFixed(us < 1e7 ? 2 : 1)} s`;
  return `${Math.floor(us / 6e7)} min ${Math.round(us % 6e7 / 1e6)} s`;
}

function color(name) {
  const known = STEPS.includes(name) || name === "test" ? name : "other";
  return getComputedStyle(document.documentElement).getPropertyValue(`--${known}`).trim();
}

function choose(index) {
  run = data.runs[index];
  const text = (number) => run.texts[number];
  bars = run.bars.map(([row, level, start, length, own, kind, name, of, test, outcome]) => ({
    row, level, start, length, own, kind: text(kind), name: text(name), of: text(of), test: text(test), outcome: text(outcome),
  }));
  // Where each row begins, with a heading where other processes begin.
  tops = [];
  height = 4;
  run.rows.forEach((row, at) => {
    if (at === 0 || run.rows[at - 1].group !== row.group) height += HEAD;
    tops.push(height);
    height += row.levels * LEVEL + GAP;
  });
  chosen = null;
  whole();
  facts();
  legend();
  tables();
}

function whole() {
  const margin = Math.max(run.length * 0.01, 10);
  [from, to] = [-margin, run.length + margin];
}

function facts() {
  const [count, total, , median, longest] = run.tests;
  byId("when").textContent = new Date(run.start / 1e3).toLocaleString();
  const body = run.steps.find(([name]) => name === "body");
  const told = [
    [count, count === 1 ? "test" : "tests"], [run.failed, "failed", run.failed > 0], [run.notEnded, "did not end", run.notEnded > 0],
    [time(run.length), "from first to last"], [run.processes, run.processes === 1 ? "process" : "processes"],
    [time(median), "median of a test"], [time(longest), "longest test"],
  ];
  if (body && total > 0) told.push([`${Math.round(100 * Math.min(1, body[1][1] / total))} %`, "of the tests' time in their bodies"]);
  byId("facts").replaceChildren(...told.filter(([, what, bad]) => bad !== false).map(([value, what, bad]) =>
    element("li", { className: bad ? "bad" : "" }, element("b", {}, String(value)), element("span", {}, what))));
}

function swatch(name) {
  const made = element("span", { className: "swatch" });
  made.style.background = `var(--${STEPS.includes(name) || name === "test" ? name : "other"})`;
  return made;
}

function legend() {
  const kinds = ["test", ...run.steps.map(([name]) => name)];
  if (bars.some((bar) => bar.kind === "other")) kinds.push("other");
  byId("legend").replaceChildren(...kinds.map((kind) => {
    const button = element("button", { title: `Show or hide: ${kind}` }, swatch(kind), kind);
    button.setAttribute("aria-pressed", String(!hidden.has(kind)));
    button.onclick = () => {
      if (!hidden.delete(kind)) hidden.add(kind);
      button.setAttribute("aria-pressed", String(!hidden.has(kind)));
      tables();
      draw();
    };
    return button;
  }));
}

function tables() {
  const number = (text) => element("td", { className: "number" }, text);
  const step = (name, of) => element("td", { className: "step" }, swatch(name), of ? `${name} ${of}` : name);
  const line = (name, [count, ...times]) => element("tr", {}, step(name), number(String(count)), ...times.map((us) => number(time(us))));
  const totals = [line("test", run.tests), ...run.steps.map(([name, times]) => line(name, times))];
  byId("totals").tBodies[0].replaceChildren(...totals);
  const bad = bars.filter((bar) => bar.kind === "test" && ["failed", "not ended"].includes(bar.outcome));
  bad.sort((a, b) => a.start - b.start);
  byId("bad").hidden = bad.length === 0;
  byId("failures").tBodies[0].replaceChildren(...bad.map((bar) => {
    const took = bar.outcome === "failed" ? time(bar.length) : "not known";
    const outcome = element("td", { className: "step" }, bar.outcome === "failed" ? "✗ failed" : "did not end");
    return clickable(bar, outcome, number(took), number(time(bar.start)), element("td", { className: "test" }, bar.name));
  }));
  const shown = bars.filter((bar) => !hidden.has(bar.kind) && bar.kind !== "test" && bar.kind !== "other");
  const slowest = shown.sort((a, b) => b.own - a.own).slice(0, 20);
  byId("slowest").tBodies[0].replaceChildren(...slowest.map((bar) =>
    clickable(bar, step(bar.name, bar.of), number(time(bar.own)), number(time(bar.start)), element("td", { className: "test" }, bar.test || "none: it is work ahead"))));
}

function clickable(bar, ...cells) {
  const row = element("tr", { tabIndex: 0, title: "Show it in its row" }, ...cells);
  row.onclick = () => show(bar);
  row.onkeydown = (event) => { if (event.key === "Enter") show(bar); };
  return row;
}

function show(bar) {
  chosen = bar;
  const margin = Math.max(bar.length * 0.4, 50);
  [from, to] = [bar.start - margin, bar.start + bar.length + margin];
  draw();
  chart.scrollTop = Math.max(0, tops[bar.row] - chart.clientHeight / 3);
  chart.scrollIntoView({ block: "nearest" });
}

const labels = () => (chart.clientWidth < 700 ? 96 : 132);
const x = (us) => labels() + (us - from) / (to - from) * (chart.clientWidth - labels());
const us = (x) => from + (x - labels()) / (chart.clientWidth - labels()) * (to - from);

function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const g = canvas.getContext("2d");
  g.scale(ratio, ratio);
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  return g;
}

// Times for marks about 90 pixels apart: 1, 2 or 5 times a power of ten.
function marks(width) {
  const rough = (to - from) / Math.max(2, (width - labels()) / 90);
  const power = 10 ** Math.floor(Math.log10(rough));
  const distance = [1, 2, 5, 10].map((times) => times * power).find((distance) => distance >= rough);
  const [unit, word] = distance >= 1e5 ? [1e6, "s"] : distance >= 1e3 || to > 1e4 ? [1e3, "ms"] : [1, "µs"];
  const digits = Math.max(0, -Math.floor(Math.log10(distance / unit)));
  const all = [];
  for (let at = Math.ceil(from / distance) * distance; at <= to; at += distance) {
    all.push([at, `${(Math.abs(at) < distance / 2 ? 0 : at / unit).toFixed(Math.min(3, digits))} ${word}`]);
  }
  return all;
}

// Whether dark text is readable on a color.
function isLight(hex) {
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140;
}

function hatch(g, left, top, width, height) {
  g.save();
  g.beginPath();
  g.rect(left, top, width, height);
  g.clip();
  g.globalAlpha = 0.45;
  g.beginPath();
  for (let at = left - height; at < left + width; at += 6) {
    g.moveTo(at, top + height);
    g.lineTo(at + height, top);
  }
  g.stroke();
  g.restore();
}

function draw() {
  const style = getComputedStyle(document.documentElement);
  const css = (name) => style.getPropertyValue(`--${name}`).trim();
  const [panel, text, faint, line, stripe, bad, accent] = ["panel", "text", "faint", "line", "stripe", "bad", "accent"].map(css);
  const colors = Object.fromEntries([...STEPS, "test", "other"].map((name) => [name, css(name)]));
  const width = chart.clientWidth, left = labels();
  const all = marks(width);

  let g = prepare(axis, width, AXIS);
  g.fillStyle = panel;
  g.fillRect(0, 0, width, AXIS);
  g.fillStyle = faint;
  g.textAlign = "center";
  for (const [at, label] of all) if (x(at) > left + 8 && x(at) < width - 24) g.fillText(label, x(at), AXIS / 2);

  g = prepare(canvas, width, height + 4);
  g.fillStyle = panel;
  g.fillRect(0, 0, width, height + 4);
  run.rows.forEach((row, at) => {
    g.fillStyle = stripe;
    g.fillRect(left, tops[at] - 2, width - left, row.levels * LEVEL + 3);
  });
  g.fillStyle = line;
  for (const [at] of all) if (x(at) > left) g.fillRect(Math.round(x(at)), 0, 1, height);

  g.save();
  g.beginPath();
  g.rect(left, 0, width - left, height + 4);
  g.clip();
  g.textAlign = "left";
  const ends = new Map();
  for (const bar of bars) {
    if (hidden.has(bar.kind) || bar.start > to || bar.start + bar.length < from) continue;
    const a = Math.max(x(bar.start), left - 2), b = Math.min(x(bar.start + bar.length), width + 2);
    const y = tops[bar.row] + bar.level * LEVEL, failed = bar.kind === "test" && bar.outcome === "failed";
    // What is narrower than a pixel is drawn once for each pixel.
    const key = bar.row * 64 + bar.level;
    const w = Math.max(b - a, 1);
    if (b - a < 0.7 && ends.get(key) > a && bar !== chosen && !failed) continue;
    ends.set(key, a + w);
    const fill = failed ? (isLight(panel) ? "#b3261e" : "#d3564c") : colors[bar.kind] || colors.other;
    g.fillStyle = fill;
    const gap = w > 4 ? 0.5 : 0;
    g.fillRect(a, y, w - gap, LEVEL - 2);
    const ink = isLight(fill) ? "#16202c" : "#ffffff";
    if (bar.outcome === "not ended" || bar.outcome === "interrupted") {
      g.strokeStyle = bar.outcome === "not ended" ? bad : ink;
      g.lineWidth = 1.5;
      hatch(g, a, y, Math.max(w, 5), LEVEL - 2);
    }
    if (w > 34) {
      const label = (failed ? "✗ " : "") + caption(bar);
      g.save();
      g.beginPath();
      g.rect(a, y, w - 3, LEVEL);
      g.clip();
      g.fillStyle = ink;
      g.fillText(label, a + 4, y + LEVEL / 2 - 0.5);
      g.restore();
    }
    if (bar === chosen) {
      g.strokeStyle = accent;
      g.lineWidth = 2;
      g.strokeRect(a - 1, y - 1, w + 2, LEVEL);
    }
  }
  g.restore();

  g.fillStyle = panel;
  g.fillRect(0, 0, left, height + 4);
  run.rows.forEach((row, at) => {
    if (at === 0 || run.rows[at - 1].group !== row.group) {
      g.fillStyle = panel;
      g.fillRect(left, tops[at] - HEAD, width - left, HEAD - 2);
      g.fillStyle = text;
      g.font = "600 12px system-ui, sans-serif";
      g.fillText(row.group, 8, tops[at] - HEAD / 2 - 1);
      g.font = "11px system-ui, sans-serif";
    }
    g.fillStyle = faint;
    g.fillText(row.name, 14, tops[at] + (LEVEL - 2) / 2);
  });
}

function caption(bar) {
  if (bar.kind !== "test") return bar.of ? `${bar.name} ${bar.of}` : bar.name;
  // The end of a path says most.
  const parts = bar.name.split("::");
  return parts.slice(parts.length > 2 ? -2 : -1).join("::");
}

function under(event) {
  const box = canvas.getBoundingClientRect();
  const [px, py] = [event.clientX - box.left, event.clientY - box.top];
  if (px < labels()) return null;
  let best = null;
  for (const bar of bars) {
    const y = tops[bar.row] + bar.level * LEVEL;
    if (py < y || py >= y + LEVEL || hidden.has(bar.kind)) continue;
    const [a, b] = [x(bar.start), x(bar.start + bar.length)];
    const away = px < a ? a - px : px > b ? px - b : 0;
    if (away <= 2 && (!best || away < best.away)) best = { bar, away };
  }
  return best && best.bar;
}

function tell(event) {
  const bar = under(event);
  tip.hidden = !bar;
  if (!bar) return;
  const lines = [bar.kind === "test" ? bar.name : caption(bar), `${time(bar.length)}, ${time(bar.start)} after the start`];
  if (bar.outcome) lines.push(bar.outcome === "not ended" ? "did not end: its process was killed, or runs on" : bar.outcome);
  if (bar.kind !== "test" && bar.test) lines.push(bar.test);
  tip.replaceChildren(...lines.map((line) => element("div", {}, line)));
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8))}px`;
  const below = event.clientY + 18;
  tip.style.top = `${below + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : below}px`;
}

function zoom(factor, around = (from + to) / 2) {
  const span = Math.min(Math.max((to - from) * factor, 20), run.length * 1.5 + 100);
  const share = (around - from) / (to - from);
  from = around - share * span;
  to = from + span;
  move(0);
}

function move(by) {
  const span = to - from;
  from = Math.min(Math.max(from + by, -span * 0.9), run.length - span * 0.1);
  to = from + span;
  draw();
}

canvas.addEventListener("wheel", (event) => {
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.008), us(event.clientX - box.left));
  } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    event.preventDefault();
    move((event.deltaX || event.deltaY) / (chart.clientWidth - labels()) * (to - from));
  }
}, { passive: false });

let grabbed = null;
canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  grabbed = event.clientX;
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.add("moved");
});
canvas.addEventListener("pointermove", (event) => {
  if (grabbed === null) return tell(event);
  tip.hidden = true;
  const by = (grabbed - event.clientX) / (chart.clientWidth - labels()) * (to - from);
  grabbed = event.clientX;
  if (by) move(by);
});
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => {
  grabbed = null;
  canvas.classList.remove("moved");
});
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("dblclick", (event) => {
  const bar = under(event);
  if (bar) show(bar);
});
canvas.addEventListener("keydown", (event) => {
  const far = (to - from) * 0.15;
  const actions = {
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), 0: () => { whole(); draw(); },
    ArrowLeft: () => move(-far), ArrowRight: () => move(far),
  };
  const action = !event.ctrlKey && !event.metaKey && actions[event.key];
  if (action) {
    event.preventDefault();
    action();
  }
});
byId("in").onclick = () => zoom(0.6);
byId("out").onclick = () => zoom(1 / 0.6);
byId("all").onclick = () => { chosen = null; whole(); draw(); };

document.title = byId("title").textContent = `Timeline of ${data.file}`;
data.runs.forEach((run, at) => {
  const label = `${at + 1} of ${data.runs.length}: ${new Date(run.start / 1e3).toLocaleString()}, ${run.tests[0]} ${run.tests[0] === 1 ? "test" : "tests"}`;
  byId("run").append(element("option", { value: at }, label));
});
byId("choice").hidden = data.runs.length < 2;
byId("when").hidden = data.runs.length > 1;
byId("run").value = data.runs.length - 1;
byId("run").onchange = () => { choose(Number(byId("run").value)); draw(); };
choose(data.runs.length - 1);
draw();
new ResizeObserver(draw).observe(chart);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
