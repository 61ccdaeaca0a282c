/* Which rows are shown: a filter is plain data, and a row passes all of it or not. */

const NO_FILTER = { edges: {}, least: {}, most: {}, networks: "all", best: 100, search: "" };

/** Rows that pass every filter and have both values; and how many pass but lack one. */
function filteredRows(file, cells, filter, x, y, accuracy) {
  const bar = filter.best < 100 && accuracy ? lowestOfBest(accuracy, filter.best) : null;
  const search = searched(filter.search);
  const rows = [];
  let lacking = 0;
  for (let row = 0; row < file.n; row++) {
    if (bar !== null && !(accuracy.values[row] >= bar)) continue;
    if (search && !search(file, row)) continue;
    if (cells && !cellPasses(cells, filter, row)) continue;
    if (x.codes[row] < 0 || y.codes[row] < 0) lacking++;
    else rows.push(row);
  }
  return { rows: Int32Array.from(rows), lacking };
}

/** The accuracy that the best `percent` of all rows with one have at least, as the analysis counts them. */
function lowestOfBest(accuracy, percent) {
  const counts = new Int32Array(accuracy.levels.length);
  let n = 0;
  for (const code of accuracy.codes) {
    if (code < 0) continue;
    counts[code]++;
    n++;
  }
  const exact = (n * percent) / 100;
  const even = exact % 1 === 0.5 ? 2 * Math.round(exact / 2) : Math.round(exact); // halves to even
  let wanted = Math.max(1, even);
  let level = counts.length;
  while (wanted > 0 && level > 0) wanted -= counts[--level];
  return accuracy.levels[level] ?? null;
}

/** A test of a row for what stands in the search field: part of the string, or `#` and the index. */
function searched(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return null;
  if (/^#\d+$/.test(wanted)) {
    const number = Number(wanted.slice(1));
    return (file, row) => (file.indices ? file.indices[row] === number : false);
  }
  return (file, row) => file.names[row].toLowerCase().includes(wanted);
}

function cellPasses(cells, filter, row) {
  if (filter.networks === "connected" && !cells.connected[row]) return false;
  if (filter.networks === "live" && !cells.live[row]) return false;
  const first = row * cells.edges.length;
  for (const [edge, operation] of Object.entries(filter.edges)) {
    if (cells.operations[cells.codes[first + Number(edge)]].name !== operation) return false;
  }
  for (const [operation, least] of Object.entries(filter.least)) {
    if (countOf(cells, first, operation) < least) return false;
  }
  for (const [operation, most] of Object.entries(filter.most)) {
    if (countOf(cells, first, operation) > most) return false;
  }
  return true;
}

function countOf(cells, first, operation) {
  let count = 0;
  for (let edge = 0; edge < cells.edges.length; edge++) {
    if (cells.operations[cells.codes[first + edge]].name === operation) count++;
  }
  return count;
}

/** How many filters are set. */
function filtersSet(filter) {
  const counts = [filter.edges, filter.least, filter.most].map((one) => Object.keys(one).length);
  const others = [filter.networks !== "all", filter.best < 100, filter.search.trim() !== ""];
  return counts.reduce((a, b) => a + b, 0) + others.filter(Boolean).length;
}

/** Build the form for a file; `changed(filter)` is called with the whole filter at every change. */
function buildFilters(form, file, cells, filter, changed) {
  const now = { ...filter, edges: { ...filter.edges }, least: { ...filter.least }, most: { ...filter.most } };
  const told = () => changed({ ...now });
  const groups = [];
  if (cells) groups.push(edgeGroup(cells, now, told), countGroup(cells, now, told));
  groups.push(networkGroup(file, cells, now, told));
  form.replaceChildren(...groups);
  form.classList.toggle("without-cells", !cells);
}

function group(title, className, ...children) {
  const set = make("fieldset");
  const inside = make("div", { className });
  inside.append(...children);
  set.append(make("legend", { textContent: title }), inside);
  return set;
}

function edgeGroup(cells, now, told) {
  const fields = cells.edges.map(([source, target], edge) => {
    const choices = [["", "any"], ...cells.operations.map((one) => [one.name, one.label])];
    const select = choose(choices, now.edges[edge] ?? "", (value) => {
      if (value) now.edges[edge] = value;
      else delete now.edges[edge];
      told();
    });
    select.dataset.edge = edge;
    return labelled(`${source} → ${target}`, select);
  });
  return group("Operation of each edge", "edges", ...fields);
}

function countGroup(cells, now, told) {
  const children = ["Operation", "at least", "at most"].map((text) => make("span", { className: "head", textContent: text }));
  for (const { name, label } of cells.operations) {
    children.push(make("span", { textContent: label }));
    for (const [bound, words, idle] of [["least", "at least", 0], ["most", "at most", cells.edges.length]]) {
      const input = make("input", { type: "number", min: 0, max: cells.edges.length, step: 1, inputMode: "numeric" });
      input.value = now[bound][name] ?? idle;
      input.setAttribute("aria-label", `${label}: ${words}`);
      input.dataset[bound] = name;
      input.addEventListener("input", () => {
        const value = input.validity.badInput ? null : input.value === "" ? idle : countFrom(input.value, cells.edges.length);
        if (value === null) input.setAttribute("aria-invalid", "true");
        else input.removeAttribute("aria-invalid");
        if (value !== null && value !== idle) now[bound][name] = value;
        else delete now[bound][name];
        told();
      });
      input.addEventListener("change", () => {
        input.value = now[bound][name] ?? idle;
        input.removeAttribute("aria-invalid");
      });
      children.push(input);
    }
  }
  return group("Operations in the cell", "counts", ...children);
}

/** A count of 0 ... `most` from a text, null for anything else. */
function countFrom(text, most) {
  return /^\d{1,3}$/.test(text) && Number(text) <= most ? Number(text) : null;
}

function networkGroup(file, cells, now, told) {
  const children = [];
  if (cells) {
    const sum = (flags) => flags.reduce((a, b) => a + b, 0);
    const choices = [
      ["all", `all (${whole(file.n)})`],
      ["connected", `with a path from input to output (${whole(sum(cells.connected))})`],
      ["live", `without a dead edge (${whole(sum(cells.live))})`],
    ];
    const select = choose(choices, now.networks, (value) => {
      now.networks = value;
      told();
    });
    select.id = "networks";
    children.push(labelled("Networks", select));
  }
  if (file.accuracies.length) {
    const best = make("input", { type: "number", id: "best", min: 0.1, max: 100, step: "any", inputMode: "decimal", value: now.best });
    best.addEventListener("input", () => {
      const value = Number(best.value);
      now.best = best.value !== "" && value > 0 && value <= 100 ? value : 100;
      told();
    });
    children.push(labelled("Best … % by accuracy", best));
  }
  const search = make("input", { type: "search", id: "search", placeholder: file.index === null ? "part of the name" : "part of the string, or #index", value: now.search });
  search.addEventListener("input", () => {
    now.search = search.value;
    told();
  });
  children.push(labelled("Architecture contains", search));
  const clear = make("button", { type: "button", id: "clear", className: "plain-button", textContent: "Clear filters" });
  children.push(clear);
  return group("Architectures", "stack", ...children);
}
