// Put into a page of results by a test: uses it as a person would, and tells the page around it what it saw.
"use strict";
const seen = { errors: [] };
addEventListener("error", event => seen.errors.push(String(event.message)));
addEventListener("unhandledrejection", event => seen.errors.push(String(event.reason)));
for (const level of ["error", "warn"]) {
  const usual = console[level];
  console[level] = (...words) => { seen.errors.push(words.join(" ")); usual(...words); };
}

function overlaps() {
  const leaves = [...document.querySelectorAll("header *, main *, footer")].filter(node =>
    !node.closest(".u-wrap, option, script, pre, details:not([open]) > :not(summary)") &&
    [...node.childNodes].some(child => child.nodeType === Node.TEXT_NODE && child.textContent.trim()));
  const boxes = leaves.flatMap(node => {
    const range = document.createRange();
    return [...node.childNodes].filter(child => child.nodeType === Node.TEXT_NODE && child.textContent.trim()).flatMap(child => {
      range.selectNodeContents(child);
      return [...range.getClientRects()].filter(box => box.width > 1 && box.height > 1).map(box => ({ box, node, text: child.textContent.trim() }));
    });
  });
  const found = [];
  boxes.sort((one, other) => one.box.top - other.box.top);
  for (let at = 0; at < boxes.length; at++) {
    for (let next = at + 1; next < boxes.length && boxes[next].box.top < boxes[at].box.bottom - 3; next++) {
      const [one, other] = [boxes[at], boxes[next]];
      if (one.node === other.node || one.node.closest(".wide") !== other.node.closest(".wide")) continue;
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      if (across > 2) found.push(`${one.text.slice(0, 40)} / ${other.text.slice(0, 40)}`);
    }
  }
  return found;
}

addEventListener("load", () => setTimeout(() => {
  try {
    const all = query => [...document.querySelectorAll(query)];
    seen.ready = document.documentElement.dataset.ready === "true";
    seen.width = innerWidth;
    seen.scrolls_aside = document.documentElement.scrollWidth > innerWidth;
    seen.overlaps = overlaps();
    seen.sections = all("h2").map(node => node.textContent);
    seen.charts = all(".uplot").length;
    seen.fetched = performance.getEntriesByType("resource").map(entry => entry.name).filter(name => !name.startsWith("data:"));

    const hidden = () => all("[data-policy]").filter(cell => cell.hidden).length;
    const lines = () => all(".chart").map(node => node.querySelectorAll(".u-legend .u-series").length);
    const chip = all("[data-chip]")[0];
    const before = { hidden: hidden(), lines: lines() };
    chip?.click();
    const toggled = { hidden: hidden(), lines: lines() };
    chip?.click();
    seen.toggles = { chips: all("[data-chip]").length, before, toggled, after: { hidden: hidden(), lines: lines() } };

    const table = all("table").find(node => node.querySelectorAll("tbody tr").length > 2 && node.querySelector("th[data-sort]"));
    const head = table?.querySelector("th[data-sort]");
    const column = () => [...table.querySelectorAll("tbody tr")].map(row => row.children[0].textContent);
    head?.click();
    const up = table ? column() : [];
    head?.click();
    seen.sorts = { up, down: table ? column() : [] };

    const paper = () => getComputedStyle(document.body).backgroundColor;
    const papers = [paper()];
    document.getElementById("theme").click();
    papers.push(paper());
    document.getElementById("theme").click();
    seen.papers = papers;

    const over = document.querySelector(".u-over");
    if (over) {
      const box = over.getBoundingClientRect();
      const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2, bubbles: true };
      over.dispatchEvent(new MouseEvent("mouseenter", at));
      over.dispatchEvent(new MouseEvent("mousemove", at));
    }
    const saved = [];
    URL.createObjectURL = blob => { saved.push(blob.size); return "#"; };
    HTMLAnchorElement.prototype.click = () => {};
    all("[data-file]").forEach(button => button.click());
    seen.saved = saved;
    setTimeout(() => {
      seen.hovered = over ? [...over.closest(".uplot").querySelectorAll(".u-legend .u-value")].map(node => node.textContent) : [];
      parent.postMessage(JSON.stringify(seen), "*");
    }, 300);
  } catch (error) {
    seen.errors.push("probe: " + error.stack);
    parent.postMessage(JSON.stringify(seen), "*");
  }
}, 300));
