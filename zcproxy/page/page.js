/* State in the address, controls, and what is drawn when either changes. */

const $ = (id) => document.getElementById(id);

function make(name, properties = {}) {
  return Object.assign(document.createElement(name), properties);
}

/** A select of [value, text] pairs, or of { label, choices } groups. */
function choose(choices, value, changed) {
  const select = make("select");
  fillSelect(select, choices, value);
  select.addEventListener("change", () => changed(select.value));
  return select;
}

function fillSelect(select, choices, value) {
  const option = ([key, text]) => make("option", { value: key, textContent: text });
  select.replaceChildren(...choices.map((one) => {
    if (Array.isArray(one)) return option(one);
    const together = make("optgroup", { label: one.label });
    together.append(...one.choices.map(option));
    return together;
  }));
  select.value = value;
}

function labelled(text, control) {
  const label = make("label", { className: "field" });
  label.append(make("span", { textContent: text }), control);
  return label;
}

const SORT = { key: "spearman", descending: true };
let state = null;
let view = null;
let built = null;
let turn = 0;
const plot = scatter($("points"), $("marks"));

/** What is shown at first of a file. */
function initial(number) {
  const file = pageData.files[number];
  const names = file.scores.map((column) => column.name);
  const best = file.agreement[file.chosen]?.rows?.map((row) => row[0]).find((name) => name !== file.baseline);
  const y = file.chosen ?? names[1] ?? names[0];
  return { file: number, x: best ?? names[0], xscale: "auto", y, yscale: "auto", filter: NO_FILTER, sort: SORT, kept: null };
}

/** State from the address; what it does not name, or names wrongly, is as at first. */
function fromAddress() {
  const asked = new URLSearchParams(location.hash.slice(1));
  const number = Number(asked.get("file") ?? 1) - 1;
  const made = initial(pageData.files[number] ? number : 0);
  const file = pageData.files[made.file];
  const names = [...file.accuracies, ...file.scores].map((column) => column.name);
  for (const key of ["x", "y"]) if (names.includes(asked.get(key))) made[key] = asked.get(key);
  for (const key of ["xscale", "yscale"]) if (asked.get(key) in SCALES) made[key] = asked.get(key);
  made.filter = filterFrom(asked, file);
  const [key, order] = (asked.get("sort") ?? "").split(" ");
  if (key && file.accuracies.length) made.sort = { key, descending: order !== "up" };
  const row = asked.get("row");
  if (row !== null && /^\d+$/.test(row) && Number(row) < file.n) made.kept = Number(row);
  return made;
}

function filterFrom(asked, file) {
  const filter = { ...NO_FILTER, edges: {}, least: {}, most: {} };
  const operations = new Set(file.cell?.operations.map((one) => one.name));
  for (const [key, value] of asked) {
    const [what, name] = key.split(".");
    if (what === "edge" && file.cell?.edges[name] && operations.has(value)) filter.edges[name] = value;
    if ((what === "least" || what === "most") && operations.has(name) && countFrom(value, file.cell.edges.length) !== null) filter[what][name] = Number(value);
  }
  if (file.cell && ["connected", "live"].includes(asked.get("networks"))) filter.networks = asked.get("networks");
  const best = Number(asked.get("best"));
  if (best > 0 && best < 100) filter.best = best;
  filter.search = asked.get("search") ?? "";
  return filter;
}

/** The state as the part of the address after #, without what is as at first. */
function toAddress() {
  const first = initial(state.file);
  const said = new URLSearchParams();
  if (state.file) said.set("file", state.file + 1);
  for (const key of ["x", "xscale", "y", "yscale"]) if (state[key] !== first[key]) said.set(key, state[key]);
  for (const [edge, operation] of Object.entries(state.filter.edges)) said.set(`edge.${edge}`, operation);
  for (const bound of ["least", "most"]) {
    for (const [operation, n] of Object.entries(state.filter[bound])) said.set(`${bound}.${operation}`, n);
  }
  if (state.filter.networks !== "all") said.set("networks", state.filter.networks);
  if (state.filter.best < 100) said.set("best", state.filter.best);
  if (state.filter.search.trim()) said.set("search", state.filter.search);
  if (state.sort.key !== SORT.key || !state.sort.descending) said.set("sort", `${state.sort.key} ${state.sort.descending ? "down" : "up"}`);
  if (state.kept !== null) said.set("row", state.kept);
  return said.toString();
}

function remember() {
  const said = toAddress();
  if (said !== location.hash.slice(1)) history.replaceState(null, "", said ? `#${said}` : location.pathname + location.search);
}

/** Change the state and show it. */
function change(changes) {
  state = { ...state, ...changes };
  remember();
  return show();
}

/** Read what the state needs, then draw all of it; a later call overtakes an earlier one. */
async function show() {
  const mine = ++turn;
  const file = pageData.files[state.file];
  const accuracyName = file.accuracies.some((column) => column.name === state.y) ? state.y : file.chosen;
  const [names, indices, cells, x, y, accuracy] = await Promise.all([
    readText(file.architectures), file.index === null ? null : readNumbers(file.index), file.cells ?? readCells(file),
    readColumn(file, state.x), readColumn(file, state.y), accuracyName ? readColumn(file, accuracyName) : null,
  ]);
  if (mine !== turn) return;
  Object.assign(file, { names, indices, cells });
  const { rows, lacking } = filteredRows(file, cells, state.filter, x, y, accuracy);
  view = {
    n: file.n, cells, x, y, shown: rows, lacking,
    xaxis: axis(x, state.xscale), yaxis: axis(y, state.yscale),
  };
  if (built !== file) writeFile(file, cells);
  writeControls(file);
  writeResult(file);
  plot.draw(view);
  point(null);
  writeAgreement(file, accuracyName);
  document.documentElement.dataset.ready = turn;
}

/** What depends on the file alone: header and filters. */
function writeFile(file, cells) {
  built = file;
  $("title").textContent = file.name;
  $("headline").textContent = file.headline;
  $("standin").hidden = !file.standin;
  $("standin").textContent = file.standin ? `Stand-in data: these scores were not measured on ${file.standin}, but on images in their place.` : "";
  $("notes").hidden = file.notes.length === 0;
  $("notes").replaceChildren(...file.notes.map((note) => make("li", { textContent: note })));
  const long = new Set(["Versions", "Images' SHA-256", "Source of the accuracies", "Shown first", "Without accuracy"]);
  const isLong = ([term]) => long.has(term) || term.startsWith("Without ");
  writeFacts($("facts"), file.facts.filter((fact) => !isLong(fact)));
  writeFacts($("more-facts"), file.facts.filter(isLong));
  $("more").hidden = !file.facts.some(isLong);
  rebuildFilters(file, cells);
}

function rebuildFilters(file, cells) {
  buildFilters($("filter-form"), file, cells, state.filter, (filter) => change({ filter }));
  $("clear").addEventListener("click", () => {
    change({ filter: NO_FILTER });
    rebuildFilters(file, cells);
  });
}

function writeFacts(place, facts) {
  place.replaceChildren(...facts.map(([term, text]) => {
    const both = make("div", { className: text.length > 64 ? "long" : "" });
    both.append(make("dt", { textContent: term }), make("dd", { textContent: text }));
    return both;
  }));
}

function writeControls(file) {
  const scores = file.scores.map((column) => [column.name, column.name]);
  const accuracies = file.accuracies.map((column) => [column.name, column.label === column.name ? column.name : `${column.label} (${column.name})`]);
  const groups = (first) => (accuracies.length ? first : [{ label: "Proxies", choices: scores }]);
  const proxies = { label: "Proxies", choices: scores };
  const truths = { label: "Accuracies", choices: accuracies };
  fillSelect($("x"), groups([proxies, truths]), state.x);
  fillSelect($("y"), groups([truths, proxies]), state.y);
  for (const key of ["xscale", "yscale"]) fillSelect($(key), Object.entries(SCALES), state[key]);
  fillSelect($("file"), pageData.files.map((one, i) => [String(i), one.name]), String(state.file));
  $("file-field").hidden = pageData.files.length < 2;
  const set = filtersSet(state.filter);
  $("filter-count").textContent = set ? `(${set} set)` : "";
  $("filter-count").className = set ? "badge" : "";
  $("clear").disabled = set === 0;
}

function writeResult(file) {
  const rho = spearman(view.x, view.y, view.shown);
  $("spearman").textContent = decimal(rho);
  $("spearman").dataset.value = rho ?? "";
  $("shown").textContent = `n = ${whole(view.shown.length)} of ${whole(file.n)}`;
  $("shown").dataset.value = view.shown.length;
  const axisWords = (place, column, name, before, after) => {
    const unit = column.accuracy ? " (%)" : "";
    place.replaceChildren(before, make("b", { textContent: column.label }), `${unit}${name ? `, ${name}` : ""}`, after);
  };
  $("explorer-title").textContent = view.y.accuracy ? "Score against accuracy" : "Score against score";
  axisWords($("ytitle"), view.y, view.yaxis.name, "↑ ", "");
  axisWords($("xtitle"), view.x, view.xaxis.name, "", " →");
  $("aside").textContent = asideWords();
  $("marks").setAttribute("aria-label", `Scatter plot of ${view.y.label} against ${view.x.label}, ${whole(view.shown.length)} architectures, Spearman ${decimal(rho)}`);
}

/** Why points are missing from the plot. */
function asideWords() {
  const words = [];
  if (view.lacking) {
    const kinds = [view.x, view.y].filter((column) => Object.keys(column.failures).length)
      .map((column) => `${column.name}: ${Object.entries(column.failures).map(([kind, n]) => `${kind} ${whole(n)}`).join(", ")}`);
    const why = kinds.length ? ` (in the whole file, ${kinds.join("; ")})` : "";
    const who = view.lacking === 1 ? "1 architecture that passes the filters lacks" : `${whole(view.lacking)} architectures that pass the filters lack`;
    words.push(`${who} one of the two values${why}.`);
  }
  if (!view.shown.length) words.push("No architecture passes the filters.");
  else if (view.shown.length < 2) words.push("Spearman needs two architectures or more.");
  else if ($("spearman").dataset.value === "") words.push("Spearman does not exist: all values of one axis are equal.");
  return words.join(" ");
}

function writeAgreement(file, accuracyName) {
  const written = JSON.stringify([state.file, accuracyName, state.sort, state.x]);
  if ($("table").dataset.written === written) return; // filters change nothing of it
  $("table").dataset.written = written;
  const table = accuracyName ? file.agreement[accuracyName] : null;
  $("table").hidden = !table;
  if (!table) return;
  if (table.problem) {
    $("table-of").textContent = table.problem;
    $("scroll").replaceChildren();
    return;
  }
  const label = file.accuracies.find((column) => column.name === accuracyName).label;
  const intervals = table.resamples ? `95 % intervals from ${whole(table.resamples)} resamples, seed ${table.seed}` : noIntervals(file);
  $("table-of").textContent = `with ${label}, all ${whole(table.architectures)} architectures, failures: ${table.failures}; ${intervals}`;
  const focused = document.activeElement?.dataset?.key;
  const scrolled = $("scroll").scrollLeft;
  const columns = writeTable($("scroll"), table, {
    baseline: file.baseline, current: state.x, sort: state.sort,
    sorted: (sort) => change({ sort }),
    chosen: (proxy) => change({ x: proxy, kept: state.kept }),
  });
  $("scroll").scrollLeft = scrolled;
  if (focused) $("scroll").querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  $("missing").replaceChildren(...missingWords(file, table).map((line) => make("li", { textContent: line })));
  const legend = columns.filter((column) => column.kind !== "drawn" && column.kind !== "text");
  $("legend").replaceChildren(...legend.flatMap((column) => [make("dt", { textContent: column.title }), make("dd", { textContent: column.note })]));
}

function noIntervals(file) {
  const chosen = file.accuracies.find((column) => column.name === file.chosen);
  const made = file.agreement[file.chosen]?.resamples;
  return made ? `intervals were made for ${chosen.label} alone` : "no intervals were made";
}

/** Why scores, then why numbers of the table, are missing. */
function missingWords(file, table) {
  const failed = file.scores.filter((column) => Object.keys(column.failures).length).map((column) => {
    const kinds = Object.entries(column.failures).map(([kind, n]) => `${kind} ${whole(n)}`).join(", ");
    return `${column.name} has no value for some architectures: ${kinds}`;
  });
  return [...failed, ...table.missing];
}

/** Show a row that is pointed at, else the kept one. */
function point(row) {
  const file = pageData.files[state.file];
  const shown = row ?? state.kept;
  plot.mark(state.kept, row);
  if (String(shown ?? "") !== $("detail").dataset.row || row === null) writeDetail($("detail"), file, view, shown);
}

/** The shown row next to `row` in the order of a column, `step` away. */
function neighbor(column, other, row, step) {
  const order = Array.from(view.shown).sort((a, b) => column.codes[a] - column.codes[b] || other.codes[a] - other.codes[b] || a - b);
  const at = order.indexOf(row);
  if (at < 0) return order[step > 0 ? 0 : order.length - 1] ?? null;
  return order[Math.min(order.length - 1, Math.max(0, at + step))];
}

/** The row that a place on the plot stands for: where the kept one lies, that one. */
function standsFor(row) {
  if (row === null || state.kept === null) return row;
  return rowsHere(view, row).includes(state.kept) ? state.kept : row;
}

/** Keep a row that was clicked; once it is kept, the next one with the same two values. */
function keepNext(row) {
  if (row === null || row !== state.kept) return keepRow(row);
  const here = rowsHere(view, row);
  return keepRow(here[(here.indexOf(row) + 1) % here.length] ?? row);
}

function keepRow(row) {
  state.kept = row;
  remember();
  point(null);
}

function listenToPlot() {
  const canvas = $("marks");
  const under = (event) => {
    const box = canvas.getBoundingClientRect();
    return standsFor(plot.nearest(event.clientX - box.left, event.clientY - box.top));
  };
  const apart = (one, other) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  let waiting = null;
  let aim = null; // the last place pointed at, to a fraction of a pixel, which a click does not tell
  const take = ({ clientX, clientY }) => {
    if (!aim || apart(aim, { clientX, clientY }) > 0) aim = { clientX, clientY };
  };
  canvas.addEventListener("pointermove", (event) => {
    if (!view) return;
    take(event);
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(() => point(under(aim)));
  });
  canvas.addEventListener("pointerdown", take);
  canvas.addEventListener("pointerleave", () => {
    cancelAnimationFrame(waiting);
    if (view) point(null);
  });
  canvas.addEventListener("click", (event) => {
    if (!view) return;
    cancelAnimationFrame(waiting);
    keepNext(under(aim && apart(aim, event) < 1.5 ? aim : event));
  });
  canvas.addEventListener("keydown", (event) => {
    if (!view) return;
    const far = event.shiftKey ? 100 : 1;
    const moves = {
      ArrowRight: () => neighbor(view.x, view.y, state.kept, far), ArrowLeft: () => neighbor(view.x, view.y, state.kept, -far),
      ArrowUp: () => neighbor(view.y, view.x, state.kept, far), ArrowDown: () => neighbor(view.y, view.x, state.kept, -far),
      Escape: () => null,
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    keepRow(moves[event.key]());
  });
}

/** Controls keep their state here, and the page follows its address, the system's colors and its size. */
function listen() {
  for (const key of ["x", "y", "xscale", "yscale"]) $(key).addEventListener("change", () => change({ [key]: $(key).value }));
  $("file").addEventListener("change", () => {
    const number = Number($("file").value);
    const next = initial(number);
    const names = [...pageData.files[number].accuracies, ...pageData.files[number].scores].map((column) => column.name);
    const same = names.includes(state.x) && pageData.files[number].scores.length ? { x: state.x } : {};
    change({ ...next, ...same, xscale: state.xscale, yscale: state.yscale, filter: filterFrom(new URLSearchParams(toAddress()), pageData.files[number]), sort: state.sort });
  });
  $("filter-form").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("hashchange", () => {
    state = fromAddress();
    built = null;
    show();
  });
  const redraw = () => {
    if (!view) return;
    plot.draw(view);
    plot.mark(state.kept, null);
  };
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  new ResizeObserver(redraw).observe($("plot"));
  const onPaper = (on) => {
    document.documentElement.classList.toggle("paper", on);
    redraw();
  };
  window.addEventListener("beforeprint", () => onPaper(true));
  window.addEventListener("afterprint", () => onPaper(false));
  listenToPlot();
}

async function start() {
  if (!("DecompressionStream" in window)) throw new Error("this browser is too old: the page needs one of 2023 or newer");
  $("made").replaceChildren("Made by ", make("code", { textContent: pageData.command || "zcproxy" }), ". Everything is in this file; it loads nothing from anywhere.");
  $("filters").open = window.innerWidth > 940;
  state = fromAddress();
  listen();
  await show();
}

start().catch((error) => {
  $("headline").textContent = "";
  $("problem").hidden = false;
  $("problem").textContent = `The page cannot be shown: ${error.message}`;
  throw error;
});

/** For the console and for tests: where a row lies on the canvas, and what is shown. */
window.zcproxyPage = { where: plot.where, shown: () => Array.from(view.shown), state: () => structuredClone(state) };
