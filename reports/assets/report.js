"use strict";
// Builds the page from the data in it. No network: everything is in this file.
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const root = document.getElementById("report");
const COLORS = { light: ["#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#000000"],
                 dark: ["#56b4e9", "#e69f00", "#2fbf94", "#ee8a3f", "#e39cc3", "#9ad0f5", "#e4e8ec"] };
const DASHES = [[], [9, 4], [2.5, 3], [10, 3, 2.5, 3], [14, 3, 2.5, 3, 2.5, 3]];
const shown = new Map(data.policies.map(name => [name, true]));
const metric = new Map(data.metrics.map(kind => [kind.name, kind]));
const redraw = [];

// --- small things -----------------------------------------------------------------------------

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined));
  return node;
}
const section = (title, ...children) => {
  const node = make("section", {}, make("h2", {}, title), ...children);
  root.append(node);
  return node;
};
const theme = () => {
  const chosen = document.documentElement.dataset.theme;
  if (matchMedia("print").matches) return "light";
  return chosen || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
};
const color = name => COLORS[theme()][data.policies.indexOf(name) % 7];
const variable = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const visible = () => data.policies.filter(name => shown.get(name));

const STEPS = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];
const digits = (value, count = 4) => String(Number(value.toPrecision(count)));
const times = value => (value >= 100 ? value.toFixed(0) : value.toPrecision(4)) + " ×";
function plain(value) {
  if (value === 0) return "0";
  const size = Math.abs(value);
  const step = STEPS.find(([from]) => size >= from * 10);
  return step ? digits(value / step[0]) + " " + step[1] : digits(value);
}
function seconds(value) {
  if (value === 0) return "0 s";
  for (const [unit, name] of [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]])
    if (Math.abs(value) >= unit * 0.9995 || unit === 1e-9) return digits(value / unit) + " " + name;
}
function number(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  return unit === "s" ? seconds(value) : plain(value);
}

// A table whose columns sort. Cells are text, or [number or text to sort by, node or text].
function table(columns, rows, options = {}) {
  const body = make("tbody");
  const show = list => {
    body.replaceChildren(...list.map(row => make("tr", {}, ...row.map((cell, at) => {
      const content = Array.isArray(cell) ? cell[1] : cell;
      return make("td", { class: columns[at].right ? "n" : null, "data-policy": columns[at].policy }, content);
    }))));
    hide();
  };
  const key = cell => (Array.isArray(cell) ? cell[0] : cell);
  const heads = columns.map((column, at) => {
    const head = make("th", { class: column.right ? "n" : null, scope: "col", tabindex: 0, "data-sort": at,
      "data-policy": column.policy, title: column.help || "Sort" }, column.title);
    const sort = () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const missing = value => value === null || value === undefined || Number.isNaN(value);
      const order = (a, b) => missing(a) - missing(b) ||
        (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
      rows = [...rows].sort((a, b) => {
        const [x, y] = [key(a[at]), key(b[at])];
        return missing(x) || missing(y) ? order(x, y) : up ? order(x, y) : order(y, x);
      });
      filter();
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
    return head;
  });
  let wanted = "";
  const text = cell => { const it = Array.isArray(cell) ? cell[1] : cell; return it.textContent ?? String(it); };
  const filter = () => show(wanted ? rows.filter(row => row.some(cell => text(cell).toLowerCase().includes(wanted))) : rows);
  const own = make("table", { class: options.style }, make("thead", {}, make("tr", {}, ...heads)), body);
  const hide = () => own.querySelectorAll("[data-policy]").forEach(cell => { cell.hidden = shown.get(cell.dataset.policy) === false; });
  redraw.push(hide);
  show(rows);
  const search = options.search ? make("div", { class: "tools" }, make("input", { type: "search", placeholder: options.search,
    "aria-label": options.search, oninput: event => { wanted = event.target.value.toLowerCase(); filter(); } })) : null;
  return make("div", {}, search, make("div", { class: "wide" }, own));
}

function download(name, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text])), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}
const quoted = cell => /[",\n]/.test(cell) ? '"' + String(cell).replaceAll('"', '""') + '"' : String(cell ?? "");
const csv = rows => rows.map(row => row.map(quoted).join(",") + "\n").join("");

// A plot of lines. `curves()` gives [x, [[policy, values], ...]]; it is asked again when something changes.
function chart(title, file, { curves, x, y, height = 260, sync = null }) {
  const place = make("div", { class: "chart" });
  const save = make("button", { type: "button", title: "The points of this plot", onclick: () => {
    const [xs, lines] = curves();
    download(file + ".csv", csv([[x.csv, ...lines.map(([name]) => name)], ...xs.map((at, row) => [at, ...lines.map(([, own]) => own[row])])]));
  } }, "CSV");
  const box = make("div", {}, make("div", { class: "tools" }, make("strong", {}, title), save), place);
  let plot = null;
  const axis = kind => ({ stroke: variable("--faint"), grid: { stroke: variable("--line"), width: 1 }, ticks: { stroke: variable("--line"), width: 1 },
    label: kind.label, labelSize: 22, size: kind.size || 50, values: (_, all) => all.map(at => at === null ? "" : kind.text(at)), font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" });
  const draw = () => {
    plot?.destroy();
    const [xs, lines] = curves();
    const width = Math.max(280, Math.min(1060, place.clientWidth || root.clientWidth));
    plot = new uPlot({
      width, height: width < 500 ? Math.min(height, 220) : height,
      cursor: { points: { size: 7 }, sync: sync ? { key: sync } : undefined },
      scales: { x: { time: false, distr: x.log ? 3 : 1, range: (_, low, high) => (x.log ? [low, high] : [low, high > low ? high : low + 1]) }, y: { distr: y.log ? 3 : 1, range: y.range } },
      axes: [axis(x), axis({ ...y, size: 62 })],
      series: [{ label: x.name, value: (_, at) => at === null ? "–" : x.text(at) },
        ...lines.map(([name]) => ({ label: name, stroke: color(name), width: 2, dash: DASHES[data.policies.indexOf(name) % 5],
          spanGaps: true, points: { show: xs.length < 40 }, value: (_, at) => at === null || at === undefined ? "–" : y.text(at) }))],
    }, [xs, ...lines.map(([, own]) => own)], place);
  };
  redraw.push(draw);
  pending.push(draw);
  return box;
}
const pending = [];

// --- controls ---------------------------------------------------------------------------------

function controls() {
  const chips = data.policies.map(name => {
    const chip = make("button", { type: "button", class: "chip", "aria-pressed": "true", "data-chip": name, title: "Show or hide " + name,
      onclick: () => {
        const last = visible().length === 1 && shown.get(name);
        if (last) return;
        shown.set(name, !shown.get(name));
        chip.setAttribute("aria-pressed", String(shown.get(name)));
        redraw.forEach(draw => draw());
      } }, make("i"), name);
    const paint = () => { chip.firstChild.style.background = color(name); };
    redraw.push(paint);
    paint();
    return chip;
  });
  const light = make("button", { type: "button", class: "push", id: "theme", onclick: () => {
    document.documentElement.dataset.theme = theme() === "dark" ? "light" : "dark";
    redraw.forEach(draw => draw());
  } }, "Light / dark");
  root.append(make("div", { class: "bar" }, ...(chips.length > 1 ? [make("span", { class: "faint" }, "Policies"), ...chips] : []), light));
}

// --- one comparison ---------------------------------------------------------------------------

function bars() {
  const of = data.comparison, kind = metric.get(data.measure);
  if (!of || !kind) return;
  const value = name => of.values[name]?.[data.measure];
  const most = Math.max(...data.policies.flatMap(name => [value(name)?.[0] + (value(name)?.[1] || 0) * 2 || 0]));
  if (!(most > 0)) return;
  const place = make("div", { class: "bars" });
  const draw = () => place.replaceChildren(...visible().flatMap(name => {
    const [mean, error] = value(name) || [null, null];
    const ratio = of.ratios[name]?.[data.measure];
    const percent = at => 100 * Math.max(0, at) / most + "%";
    const track = make("div", { class: "track", title: `${name}: ${number(mean, kind.unit)}${error ? " ± " + number(error, kind.unit) : ""}` });
    const fill = make("div", { class: "fill" });
    fill.style.width = percent(mean);
    fill.style.background = color(name);
    track.append(fill);
    if (error) {
      const whisker = make("div", { class: "whisker" });
      whisker.style.left = percent(mean - error);
      whisker.style.width = percent(2 * error);
      track.append(whisker);
    }
    const beside = ratio ? ` (${times(ratio[0])})` : name === data.baseline ? " (baseline)" : "";
    return [make("span", {}, name), track, make("span", { class: "value" }, number(mean, kind.unit) + beside)];
  }));
  redraw.push(draw);
  draw();
  section(`${kind.label || kind.name} by policy`, make("p", { class: "faint" }, `${kind.meaning}. In ${kind.unit === "1" ? "numbers" : kind.unit}; the line is the standard error of the mean of ${data.replications} runs.`), place);
  if (of.published.length) {
    const rows = of.published.map(one => [one.policy, one.metric, [one.mean, number(one.mean) + (one.stderr ? " ± " + number(one.stderr) : "")], one.source]);
    root.lastChild.append(make("h3", {}, "Published"), table([{ title: "policy" }, { title: "metric" }, { title: "value", right: true }, { title: "source" }], rows));
  }
}

function metricTable() {
  const of = data.comparison;
  if (!of) return;
  const columns = [{ title: "metric" }, { title: "unit" }];
  for (const policy of data.policies) columns.push({ title: policy, right: true, policy });
  const rows = data.metrics.filter(kind => data.policies.some(policy => of.values[policy]?.[kind.name])).map(kind => {
    const cells = data.policies.map(policy => {
      const [mean, error] = of.values[policy]?.[kind.name] || [null, null];
      const cell = make("span", {}, number(mean, kind.unit));
      // What is left of equal values is none.
      if (error > Math.abs(mean) * 1e-9) cell.append(" ", make("small", {}, "± " + number(error, kind.unit)));
      const ratio = of.ratios[policy]?.[kind.name];
      if (ratio) {
        const sure = ratio[1] !== null && (ratio[1] > 1 || ratio[2] < 1);
        const better = kind.better && sure ? ((ratio[0] > 1) === (kind.better === "more") ? "good" : "bad") : null;
        cell.append(make("br"), make("small", { class: better, title: ratio[1] === null ? "one run" : `95 % interval ${digits(ratio[1])} to ${digits(ratio[2])}` }, times(ratio[0]) + " " + data.baseline));
      }
      return [mean, cell];
    });
    return [[kind.name, make("span", { title: kind.meaning }, kind.name)], kind.unit === "1" ? "" : kind.unit, ...cells];
  });
  section("Every metric", make("p", { class: "faint" }, "Mean over the runs ± standard error; times the baseline where that says something. Point at a name for its meaning, click a title to sort."), table(columns, rows, { search: "Find a metric", style: "metrics" }));
}

const share = value => digits(value * 100, 4) + " %";

function latency() {
  const of = data.latency;
  if (!of) return;
  const all = Object.values(of).flatMap(([xs]) => [xs[0], xs[xs.length - 1]]).filter(at => at > 0);
  if (!all.length) return;
  const [low, high] = [Math.min(...all) * 0.98, Math.max(...all) * 1.02];
  const grid = Array.from({ length: 500 }, (_, at) => low * (high / low) ** (at / 499));
  const cdf = name => {
    const [xs, ys] = of[name];
    let at = -1;
    return grid.map(x => { while (at + 1 < xs.length && xs[at + 1] <= x) at++; return at < 0 ? 0 : ys[at]; });
  };
  const curves = change => () => [grid, visible().filter(name => of[name]).map(name => [name, cdf(name).map(change)])];
  const x = { name: "latency", label: "from the exit until the access goes through", text: seconds, log: true, csv: "latency_s" };
  section("Latency of major faults",
    chart("Part of the faults that took no longer", "fault-latency-cdf", { curves: curves(at => at), x, y: { text: share, range: [0, 1] } }),
    chart("Tail: part that took longer", "fault-latency-tail", { curves: curves(at => at < 1 ? 1 - at : null), x, y: { text: share, log: true } }));
}

function course() {
  const of = data.series;
  if (!of) return;
  const first = Object.values(of)[0];
  const panels = [["work", "Work, units/s", plain], ["major_faults", "Major faults, 1/s", plain], ["waiting", "vCPUs stalled in a fetch or halted by the host", digits],
    ["outstanding", "Outstanding items", digits], ["workers", "Busy worker threads", digits], ["in_flight", "Device requests in flight", digits]];
  const some = panels.filter(([key]) => Object.values(of).some(own => own[key].some(value => value > 0)));
  section("Over time", make("p", { class: "faint" }, "The first run of each policy."), ...some.map(([key, title, text]) =>
    chart(title, "over-time-" + key, { height: 170, sync: "time", curves: () => [first.t, visible().filter(name => of[name]).map(name => [name, of[name][key]])],
      x: { name: "time", label: "measured time", text: at => digits(at) + " s", csv: "time_s" }, y: { text } })));
}

function tasks() {
  const of = data.comparison?.tasks;
  if (!of || !Object.values(of).some(list => list.length)) return;
  const rows = data.policies.flatMap(policy => (of[policy] || []).map(task => [policy, task.name, task.role,
    [task.user_time_s, number(task.user_time_s, "s")], [task.work, number(task.work)], [task.major_faults, number(task.major_faults)]]));
  const columns = [{ title: "policy" }, { title: "task" }, { title: "role" }, { title: "user time", right: true }, { title: "work", right: true }, { title: "major faults", right: true }];
  section("Tasks", make("details", {}, make("summary", {}, `${rows.length} rows`), table(columns, rows, { search: "Find a task" })));
}

// --- a sweep ----------------------------------------------------------------------------------

function sweep() {
  const of = data.sweep;
  if (!of) return;
  const state = { metric: data.measure, policy: data.policies.find(name => name !== data.baseline) || data.policies[0], ratio: Boolean(of.ratios && data.policies.length > 1) };
  const at = name => data.metrics.findIndex(kind => kind.name === name);
  const value = (policy, point) => {
    const own = of.values[policy]?.[point]?.[at(state.metric)] ?? null;
    if (!state.ratio) return own;
    const base = of.values[data.baseline]?.[point]?.[at(state.metric)] ?? null;
    if (state.metric === data.measure) return of.ratios[policy]?.[point]?.[0] ?? (policy === data.baseline ? 1 : null);
    return own === null || !base ? null : own / base;
  };
  const unit = () => (state.ratio ? null : metric.get(state.metric)?.unit);
  const text = one => one === null ? "–" : state.ratio ? times(one) : number(one, unit());
  const option = (name, chosen) => make("option", chosen ? { value: name, selected: "" } : { value: name }, name);
  const change = (key, read) => event => { state[key] = read(event.target); redraw.forEach(draw => draw()); };
  const tools = make("div", { class: "tools" },
    make("label", {}, "Metric ", make("select", { id: "metric", onchange: change("metric", it => it.value) }, ...data.metrics.map(kind => option(kind.name, kind.name === state.metric)))),
    data.policies.length > 1 ? make("label", {}, make("input", Object.assign({ type: "checkbox", id: "ratio", onchange: change("ratio", it => it.checked) }, state.ratio ? { checked: "" } : {})), ` times ${data.baseline}`) : null);
  const node = section("The points", tools);
  if (of.axes.length === 2) node.append(heat(of, state, value, text));
  const axis = of.axes.length === 1 ? of.axes[0] : null;
  if (axis?.numbers) {
    const order = of.points.map((_, point) => point).sort((a, b) => axis.numbers[of.points[a].at[0]] - axis.numbers[of.points[b].at[0]]);
    const xs = order.map(point => axis.numbers[of.points[point].at[0]]);
    const log = xs[0] > 0 && xs[xs.length - 1] / xs[0] > 20;
    const label = new Map(order.map((point, row) => [xs[row], of.points[point].axes[0]]));
    node.append(chart("Along " + axis.name, "sweep", { height: 320, x: { name: axis.name, label: axis.name, text: one => label.get(one) || plain(one), log, csv: axis.name },
      curves: () => [xs, visible().map(name => [name, order.map(point => value(name, point))])], y: { text } }));
  }
  const holder = make("div");
  const draw = () => {
    const columns = [{ title: "point", right: true }, ...(of.axes.length ? of.axes.map(one => ({ title: one.name })) : [{ title: "change" }]), ...data.policies.map(policy => ({ title: policy, right: true, policy }))];
    const rows = of.points.map((point, place) => [[place, String(place)], ...(of.axes.length ? point.axes.map((word, nth) => [of.axes[nth].numbers?.[point.at[nth]] ?? word, word]) : [point.label]),
      ...data.policies.map(policy => [value(policy, place), text(value(policy, place))])]);
    holder.replaceChildren(table(columns, rows, { search: "Find a point", style: "points" }));
  };
  redraw.push(draw);
  draw();
  node.append(make("h3", {}, "Table"), holder);
}

function heat(of, state, value, text) {
  const [down, across] = of.axes;
  const place = make("div", { class: "wide" });
  const picker = make("select", { id: "policy", "aria-label": "policy", onchange: event => { state.policy = event.target.value; draw(); } },
    ...data.policies.map(name => make("option", name === state.policy ? { value: name, selected: "" } : { value: name }, name)));
  const draw = () => {
    const cells = new Map(of.points.map((point, number) => [point.at.join(), value(state.policy, number)]));
    const known = [...cells.values()].filter(one => one !== null);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const cell = (row, column) => {
      const one = cells.get([row, column].join()) ?? null;
      const td = make("td", { title: `${down.name} ${down.values[row]}, ${across.name} ${across.values[column]}: ${text(one)}` }, text(one));
      if (one !== null) {
        const part = high > low ? (one - low) / (high - low) : 0.5;
        td.style.background = `color-mix(in srgb, ${variable("--accent")} ${Math.round(8 + 60 * part)}%, ${variable("--paper")})`;
      }
      return td;
    };
    place.replaceChildren(make("table", { class: "map" },
      make("thead", {}, make("tr", {}, make("th", {}, `${down.name} \\ ${across.name}`), ...across.values.map(word => make("th", { scope: "col" }, word)))),
      make("tbody", {}, ...down.values.map((word, row) => make("tr", {}, make("th", { scope: "row" }, word), ...across.values.map((_, column) => cell(row, column)))))));
  };
  redraw.push(draw);
  draw();
  return make("div", {}, make("div", { class: "tools" }, make("strong", {}, "Heat map of "), picker), place);
}

// --- everything else --------------------------------------------------------------------------

function anatomy() {
  const of = data.anatomy;
  if (!of) return;
  const columns = [{ title: "policy" }, { title: "which" }, { title: "latency", right: true }, ...of.parts.map(name => ({ title: name, right: true }))];
  const rows = of.rows.map(row => [row.policy, [row.rank, row.pick], [row.latency, seconds(row.latency)], ...of.parts.map((_, at) => [row.parts[at], row.parts[at] === null ? "–" : seconds(row.parts[at])])]);
  section(of.title, make("p", { class: "faint" }, of.note), table(columns, rows, { style: "wrap" }));
}

function figures() {
  if (!data.figures.length) return;
  section("Pictures", ...data.figures.flatMap(one => [make("h3", {}, one.title),
    make("div", { class: "figure" }, make("img", { alt: one.title, src: "data:image/svg+xml;charset=utf-8," + encodeURIComponent(one.svg) }))]));
}

function notes() {
  const rows = data.notes.map(note => make("li", {}, note.policy ? make("strong", {}, note.policy + ": ") : null, note.text));
  const found = data.findings.map(one => make("li", {}, make("strong", { class: one.verdict === "violation" ? "bad" : null }, `${one.invariant} (${one.verdict.replaceAll("_", " ")}), ${one.policy}, ${one.count} times: `), one.message,
    one.story.length ? make("details", {}, make("summary", {}, "what led to it"), make("pre", {}, one.story.join("\n"))) : null));
  if (rows.length) section("Notes", make("ul", { class: "plain" }, ...rows));
  section("Invariants", found.length ? make("ul", { class: "plain" }, ...found) : make("p", {}, "None was broken, and all could be decided."));
}

function scenario() {
  if (!data.scenario) return;
  // With fields that were changed it has neither lines nor comments.
  let text = data.scenario.text;
  if (!text.trim().includes("\n")) { try { text = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it is */ } }
  section("Scenario", make("details", {}, make("summary", {}, data.scenario.name), make("pre", {}, text)));
  if (!data.presets.length) return;
  section("Presets", make("p", { class: "faint" }, "What the scenario names, with the source of each number and how sure it is."), ...data.presets.map(preset => {
    const columns = [{ title: "name" }, { title: "value" }, { title: "how sure" }, { title: "source and meaning" }];
    const rows = preset.values.map(one => [one.name, one.value, one.certainty, one.source]);
    return make("details", {}, make("summary", {}, make("strong", {}, preset.name), ": " + preset.summary), rows.length ? table(columns, rows) : null);
  }));
}

function files() {
  const size = bytes => bytes >= 1e6 ? digits(bytes / 1e6, 3) + " MB" : bytes >= 1e3 ? digits(bytes / 1e3, 3) + " kB" : bytes + " bytes";
  const entry = file => make("li", {}, file.text === null ? make("a", { href: encodeURIComponent(file.name) }, file.name)
    : make("button", { type: "button", "data-file": file.name, onclick: () => download(file.name, file.text) }, file.name),
    make("span", { class: "faint" }, ` ${size(file.bytes)}${file.text === null ? ", beside this page" : ""}`));
  section("Data", make("p", { class: "faint" }, "In this page, to be saved."), make("ul", { class: "plain downloads" }, ...data.files.map(entry)));
}

for (const part of [controls, bars, sweep, metricTable, latency, course, anatomy, tasks, figures, notes, scenario, files]) part();
pending.forEach(draw => draw());
let width = innerWidth;
const again = () => redraw.forEach(draw => draw());
addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; again(); } });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
addEventListener("beforeprint", () => { document.querySelectorAll("details").forEach(it => { it.open = true; }); again(); });
addEventListener("afterprint", again);
document.documentElement.dataset.ready = "true";
})();
