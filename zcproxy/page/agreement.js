/* The table of agreement: one row per proxy, sorted by any column, missing numbers with a reason. */

/** Columns as people read them: coefficients together with their intervals. */
function tableColumns(table, baseline) {
  const has = (name) => table.columns.includes(name);
  const shown = table.columns.filter((name) => !/_(low|high)$/.test(name) && name !== "reason");
  const drawn = { key: "spearman", kind: "drawn", title: "−1 … 1", note: "Spearman's correlation and its interval between −1 and 1." };
  const columns = shown.map((name) => ({ key: name, ...columnWords(name, table, baseline), interval: has(`${name}_low`) }));
  columns.splice(1, 0, { ...drawn });
  return columns;
}

function columnWords(name, table, baseline) {
  const [what, k] = name.split("@");
  const known = {
    proxy: ["Proxy", "text", "Sorted by name."],
    spearman: ["Spearman", "number", "Spearman's rank correlation with accuracy, average ranks for ties, signed: a proxy counts as its definition orients it. In brackets: 95 % percentile bootstrap interval over architectures."],
    kendall: ["Kendall τ-b", "number", "Kendall's rank correlation, corrected for ties; brackets as for Spearman."],
    partial: [`partial, given\n${baseline}`, "number", `Spearman's correlation of what remains of both rankings after that of ${baseline} is taken out.`],
    n: ["n", "count", "Architectures that entered the coefficients."],
    ties: ["ties", "count", "Architectures that share their score with another one."],
    failures: ["failures", "count", "Architectures that failed under this proxy; those not scored yet are not among them."],
    overlap: [`overlap@${k}`, "number", `Share of the ${k} best by accuracy that the ${k} best by proxy contain; ties are broken at random, exact expectation.`],
    regret: [`regret@${k}`, "points", `Best accuracy minus that of the best among the ${k} best by proxy, in percentage points; exact expectation under ties.`],
  }[what];
  if (known) return { title: known[0], kind: known[1], note: known[2] };
  const share = /^top([\d.]+)$/.exec(name);
  if (share) return { title: `top ${share[1]} %`, kind: "number", note: `Spearman's correlation among the best ${share[1]} % by accuracy of all architectures compared.` };
  const many = /^top([\d.]+)_n$/.exec(name);
  if (many) return { title: `n of top\n${many[1]} %`, kind: "count", note: `Of the best ${many[1]} % by accuracy, how many have a value of this proxy.` };
  return { title: name, kind: "number", note: "" };
}

/** Write the table; `sort` is { key, descending }, `sorted(sort)` and `chosen(proxy)` are told. */
function writeTable(place, table, { baseline, current, sort, sorted, chosen }) {
  const columns = tableColumns(table, baseline);
  const at = (name) => table.columns.indexOf(name);
  const rows = [...table.rows].sort(byColumn(at(sort.key) < 0 ? at("spearman") : at(sort.key), sort.descending));
  const head = make("tr");
  for (const column of columns) head.append(headCell(column, sort, sorted));
  const body = make("tbody");
  for (const row of rows) {
    const proxy = row[at("proxy")];
    const line = make("tr");
    line.dataset.proxy = proxy;
    line.classList.toggle("baseline", proxy === baseline);
    if (proxy === current) line.setAttribute("aria-current", "true");
    for (const column of columns) line.append(bodyCell(column, row, at, { baseline, proxy, chosen }));
    body.append(line);
  }
  const top = make("thead");
  top.append(head);
  const whole = make("table");
  whole.append(top, body);
  place.replaceChildren(whole);
  return columns;
}

/** Smaller first or last; what is missing is always last. */
function byColumn(at, descending) {
  return (one, other) => {
    const [a, b] = [one[at], other[at]];
    if (a === null || b === null) return (a === null) - (b === null);
    const order = typeof a === "string" ? a.localeCompare(b, "en") : a - b;
    return descending ? -order : order;
  };
}

function headCell(column, sort, sorted) {
  const cell = make("th", { scope: "col", className: column.kind === "text" ? "first" : column.kind === "drawn" ? "drawn" : "" });
  if (column.kind === "drawn") {
    cell.setAttribute("aria-hidden", "true");
    return cell;
  }
  const active = sort.key === column.key;
  cell.setAttribute("aria-sort", active ? (sort.descending ? "descending" : "ascending") : "none");
  const button = make("button", { type: "button", textContent: column.title, title: column.note });
  button.dataset.key = column.key;
  button.addEventListener("click", () => sorted({ key: column.key, descending: active ? !sort.descending : column.kind !== "text" }));
  cell.append(button);
  return cell;
}

function bodyCell(column, row, at, { baseline, proxy, chosen }) {
  if (column.kind === "text") {
    const cell = make("th", { scope: "row", className: "first" });
    const button = make("button", { type: "button", textContent: proxy, title: "Show it in the plot" });
    button.addEventListener("click", () => chosen(proxy));
    cell.append(button);
    if (proxy === baseline) cell.append(make("span", { className: "badge", textContent: "baseline" }));
    return cell;
  }
  const value = row[at(column.key)];
  const cell = make("td");
  if (column.kind === "drawn") {
    cell.className = "drawn";
    cell.setAttribute("aria-hidden", "true");
    if (value !== null) cell.append(track(value, row[at("spearman_low")], row[at("spearman_high")]));
    return cell;
  }
  if (value === null) {
    const own = column.key === "partial" && proxy === baseline;
    cell.className = "absent";
    cell.textContent = own ? "baseline" : "–";
    cell.title = own ? "" : row[at("reason")] ?? "";
    return cell;
  }
  if (column.kind === "count") cell.textContent = whole(value);
  else cell.append(make("b", { textContent: decimal(value, column.kind === "points" ? 2 : 3) }));
  if (column.interval && row[at(`${column.key}_low`)] !== null) {
    const ends = [`${column.key}_low`, `${column.key}_high`].map((name) => decimal(row[at(name)]));
    cell.append(" ", make("small", { textContent: `[${ends.join(", ")}]` }));
  }
  return cell;
}

/** A coefficient and its interval as a dot on a line from -1 to 1. */
function track(value, low, high) {
  const place = (number) => `${(50 * (number + 1)).toFixed(2)}%`;
  const line = make("span", { className: "track" });
  if (low !== null && high !== null) {
    const bar = make("i");
    bar.style.left = place(low);
    bar.style.width = `${(50 * (high - low)).toFixed(2)}%`;
    line.append(bar);
  }
  const point = make("b");
  point.style.left = place(value);
  line.append(point);
  return line;
}
