/* Axes: how a value becomes a place, and which ticks can be read. */

const SCALES = { auto: "auto", linear: "linear", log: "log", rank: "rank" };

/** An axis over all values of a column: `place(value, code)` in 0 ... 1, ticks, and its name. */
function axis(column, wanted) {
  const { levels } = column;
  const kind = wanted === "auto" ? automatic(column) : wanted;
  if (levels.length === 0) return { kind, name: "", place: () => 0.5, ticks: () => [] };
  if (kind === "rank") return rankAxis(column);
  if (kind === "log") return column.accuracy ? errorAxis(column) : logAxis(column);
  return mapped(levels, (value) => value, (low, high, n) => linearTicks(low, high, n), "");
}

/** The axis on which a column can be read: log over many orders of magnitude, or crowded accuracies. */
function automatic({ values, levels, accuracy }) {
  const known = Float64Array.from(values).filter((value) => !Number.isNaN(value)).sort();
  const at = (share) => known[Math.min(known.length - 1, Math.floor(share * known.length))];
  if (accuracy) {
    const [low, middle, high] = [at(0.01), at(0.5), at(1)];
    return high < 99.9 && low >= 0 && middle - low > 3 * (high - middle) ? "log" : "linear";
  }
  const sizes = known.map(Math.abs).filter((size) => size > 0).sort();
  if (sizes.length === 0) return "linear";
  const size = (share) => sizes[Math.min(sizes.length - 1, Math.floor(share * sizes.length))];
  const squeezed = known.length >= 10 && at(0.95) - at(0.05) < 0.1 * (levels[levels.length - 1] - levels[0]);
  const spread = size(0.99) > 30 * (levels[0] >= 0 ? size(0.01) : size(0.25));
  return squeezed || spread ? "log" : "linear";
}

function mapped(levels, map, ticksOf, name) {
  const [low, high] = [map(levels[0]), map(levels[levels.length - 1])];
  const pad = (high - low) * 0.03 || 0.5;
  const [start, end] = [low - pad, high + pad];
  const share = (value) => (map(value) - start) / (end - start);
  const ticks = (n) => {
    const values = ticksOf(levels[0], levels[levels.length - 1], n).filter((tick) => share(tick) >= 0 && share(tick) <= 1);
    const text = tickText(values);
    return values.map((tick) => ({ at: share(tick), text: text(tick) }));
  };
  return { name, place: share, ticks };
}

function rankAxis(column) {
  const rows = [];
  for (let row = 0; row < column.codes.length; row++) if (column.codes[row] >= 0) rows.push(row);
  const ranks = levelRanks(column, rows);
  const n = rows.length;
  const share = (rank) => (rank - 1 + 0.03 * n) / (Math.max(1, n - 1) + 0.06 * n);
  return {
    name: "rank, 1 = lowest",
    place: (value, code) => share(ranks[code]),
    ticks: (wanted) => [1, ...linearTicks(1, n, wanted).filter((tick) => tick > 0.04 * n)].map((tick) => ({ at: share(tick), text: whole(tick) })),
  };
}

/** log10 where all values are positive; else linear near 0 and logarithmic beyond, on both sides. */
function logAxis(column) {
  const { levels, values } = column;
  if (levels[0] > 0) {
    return mapped(levels, Math.log10, (low, high, n) => decades(low, high, n), "log");
  }
  const sizes = Float64Array.from(values, Math.abs).filter((size) => size > 0).sort();
  if (sizes.length === 0) return mapped(levels, (value) => value, linearTicks, "");
  const near = sizes[Math.floor((levels[0] < 0 ? 0.25 : 0) * sizes.length)];
  const ticksOf = (low, high, n) => {
    const up = high > near ? decades(near, high, levels[0] < 0 ? n / 2 : n) : [];
    const down = low < -near ? decades(near, -low, n / 2).map((tick) => -tick) : [];
    return [...down, 0, ...up];
  };
  return mapped(levels, (value) => Math.asinh(value / near), ticksOf, levels[0] < 0 ? "log to both sides of 0" : "log, with 0");
}

/** Accuracies evenly in the logarithm of the error. */
function errorAxis(column) {
  const map = (value) => -Math.log10(Math.max(100 - value, 1e-3));
  const steps = [0, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 92, 94, 95, 96, 97, 98, 99, 99.5, 99.9];
  const ticksOf = (low, high, n) => {
    const inside = steps.filter((step) => step >= low && step <= high);
    const space = (map(high) - map(low)) / (1.4 * n);
    const kept = [];
    for (const step of inside.reverse()) {
      if (kept.every((other) => Math.abs(map(step) - map(other)) >= space)) kept.push(step);
    }
    return kept;
  };
  return mapped(column.levels, map, ticksOf, "log of the error");
}

/** Powers of ten in a range, thinned to about `n`; 2 and 5 between them where they are few. */
function decades(low, high, n) {
  const [first, last] = [Math.ceil(Math.log10(low) - 1e-9), Math.floor(Math.log10(high) + 1e-9)];
  if (last - first < 2) {
    const ticks = [];
    for (let power = first - 1; power <= last; power++) {
      for (const factor of [1, 2, 5]) ticks.push(Number(`${factor}e${power}`));
    }
    const inside = ticks.filter((tick) => tick >= low && tick <= high);
    return inside.length > 1 ? inside : linearTicks(low, high, Math.min(n, 4));
  }
  const step = Math.max(1, Math.ceil((last - first + 1) / Math.max(2, n)));
  const powers = [];
  for (let power = Math.ceil(first / step) * step; power <= last; power += step) powers.push(Number(`1e${power}`));
  return powers;
}

/** Round numbers in a range, about `n` of them. */
function linearTicks(low, high, n) {
  if (!(high > low)) return [low];
  const rough = (high - low) / Math.max(1, n);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++) ticks.push(Number((k * step).toPrecision(12)));
  return ticks;
}

const MINUS = "−";
const SUPERSCRIPT = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

/** A whole number with commas. */
function whole(value) {
  return Number(value).toLocaleString("en-US", { maximumFractionDigits: 0 }).replace("-", MINUS);
}

/** So many decimals, commas, and a real minus; a dash for what does not exist. */
function decimal(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  const text = value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return (/^-[0.,]*$/.test(text) ? text.slice(1) : text).replace("-", MINUS);
}

/** How all ticks of one axis are written: plain where every one is short, else as powers of ten. */
function tickText(ticks) {
  const sizes = ticks.map(Math.abs).filter((size) => size > 0);
  const [small, large] = [Math.min(...sizes), Math.max(...sizes)];
  if (large >= 1e7 || small < 1e-3) return (tick) => (tick === 0 ? "0" : scientific(tick, 2));
  const digits = Math.max(0, ...ticks.map((tick) => (String(tick).split(".")[1] ?? "").length));
  const even = large / small < 1e3 ? digits : 0;
  return (tick) => tick.toLocaleString("en-US", { minimumFractionDigits: even, maximumFractionDigits: digits }).replace("-", MINUS);
}

function scientific(value, digits) {
  const [mantissa, power] = value.toExponential(digits).split("e");
  const raised = `10${[...power.replace("+", "")].map((sign) => SUPERSCRIPT[sign]).join("")}`;
  const factor = Number(mantissa);
  if (factor === 1) return raised;
  if (factor === -1) return MINUS + raised;
  return `${String(digits > 2 ? mantissa : factor).replace("-", MINUS)}×${raised}`;
}

/** A score for people: counts and 0 whole, others to five digits, for they are stored rounded. */
function scoreText(value, counts) {
  if (Number.isNaN(value)) return "no value";
  const size = Math.abs(value);
  if (value === 0 || (counts && size < 1e12)) return whole(value);
  if (size >= 1e6 || size < 1e-3) return scientific(value, 3);
  return value.toLocaleString("en-US", { minimumSignificantDigits: 5, maximumSignificantDigits: 5 }).replace("-", MINUS);
}
