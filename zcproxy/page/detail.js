/* What is said of one architecture: its string, the drawn cell, values and ranks. */

/** Fill `place` for a row; `view` has the columns, the shown rows and the cells. */
function writeDetail(place, file, view, row) {
  if (row === null) {
    place.dataset.row = "";
    place.replaceChildren(make("p", { className: "hint", textContent: hint(file) }));
    return;
  }
  place.dataset.row = row;
  const name = make("div", { className: "name" });
  const number = file.indices ? `Architecture #${file.indices[row]}` : "Architecture";
  name.append(make("h3", { textContent: number }), make("span", { className: "code", id: "architecture", textContent: file.names[row] }));
  const { at, of } = placeHere(view, row);
  if (of > 1) name.append(make("span", { className: "hint", id: "here", textContent: `${whole(at)} of ${whole(of)} here; click or tap again for the next` }));
  const parts = [name];
  if (view.cells) parts.push(drawCell(view.cells, row));
  parts.push(valueList(view, row));
  const hints = [];
  if (!view.shown.includes(row)) hints.push("It is not among the architectures compared now.");
  if (view.cells && !view.cells.live[row]) hints.push(deadWords(view.cells, row));
  if (hints.length) parts.push(make("p", { className: "hint", textContent: hints.join(" ") }));
  parts.push(everything(file, row));
  place.replaceChildren(...parts);
}

/** Which of the shown rows with the same two values a row is, from 1, and how many these are. */
function placeHere(view, row) {
  const here = rowsHere(view, row);
  return { at: here.indexOf(row) + 1, of: here.length };
}

/** The shown rows with the same two values, in order; none for a row that is not shown. */
function rowsHere({ x, y, shown }, row) {
  if (!shown.includes(row)) return [];
  return Array.from(shown).filter((other) => x.codes[other] === x.codes[row] && y.codes[other] === y.codes[row]);
}

function hint(file) {
  return `Point at the plot, or tap it, to see the architecture${file.cell ? ", its cell" : ""} and its values here.`;
}

function deadWords(cells, row) {
  return cells.connected[row] ? "Faint edges lie on no path from input to output." : "No path leads from input to output.";
}

/** Both values with their places among the shown rows, the best first. */
function valueList(view, row) {
  const list = make("div", { className: "values" });
  for (const text of ["", "value", "rank"]) list.append(make("span", { className: `head ${text}`.trim(), textContent: text }));
  const columns = view.x.name === view.y.name ? [view.x] : [view.x, view.y];
  for (const column of columns) {
    list.append(make("span", { className: "term", textContent: column.label }));
    list.append(make("span", { className: "value", textContent: valueText(column, row) }));
    list.append(make("span", { className: "rank", textContent: placeText(column, view.shown, row) }));
  }
  return list;
}

function valueText(column, row) {
  const value = column.values[row];
  if (Number.isNaN(value)) return "no value";
  return column.accuracy ? `${decimal(value, 2)} %` : scoreText(value, column.counts);
}

/** How many of `rows` are better, plus one: equal values share a place. Others than `rows` have none. */
function placeText(column, rows, row) {
  if (!rows.includes(row)) return "–";
  let better = 0;
  for (const other of rows) if (column.codes[other] > column.codes[row]) better++;
  return `${whole(better + 1)} of ${whole(rows.length)}`;
}

/** All values of a row, read when asked for. */
function everything(file, row) {
  const details = make("details", { className: "all-values" });
  details.append(make("summary", { textContent: "All its values" }));
  details.open = everything.open;
  const fill = async () => {
    everything.open = details.open;
    if (!details.open || details.children.length > 1) return;
    const names = [...file.accuracies, ...file.scores].map((column) => column.name);
    const columns = await Promise.all(names.map((name) => readColumn(file, name)));
    const list = make("div", { className: "values pairs", tabIndex: 0 });
    for (const column of columns) {
      list.append(make("span", { className: "term", textContent: column.name }));
      list.append(make("span", { className: "value", textContent: valueText(column, row) }));
    }
    if (details.children.length < 2) details.append(list);
  };
  details.addEventListener("toggle", fill);
  if (details.open) fill();
  return details;
}
everything.open = false;
