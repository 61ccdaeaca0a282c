/* The data of the page: blobs are base64 of zlib streams, columns are byte planes (packing.py). */

const pageData = JSON.parse(document.getElementById("data").textContent);

/** The bytes of a blob, inflated when first asked for. */
const inflated = (() => {
  const known = new Map();
  return (number) => {
    if (!known.has(number)) known.set(number, inflate(pageData.blobs[number]));
    return known.get(number);
  };
})();

async function inflate(text) {
  const binary = atob(text);
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function readText(number) {
  return JSON.parse(new TextDecoder().decode(await inflated(number)));
}

async function readNumbers(number) {
  const planes = await inflated(number);
  const n = planes.length / 8;
  const bytes = new Uint8Array(planes.length);
  for (let plane = 0; plane < 8; plane++) {
    for (let i = 0, from = plane * n; i < n; i++) bytes[8 * i + plane] = planes[from + i];
  }
  const view = new DataView(bytes.buffer);
  const numbers = new Float64Array(n);
  for (let i = 0; i < n; i++) numbers[i] = view.getFloat64(8 * i, true);
  return numbers;
}

/** Values of a column, one per row, NaN where there is none. */
async function readValues(file, coded) {
  if ("rows" in coded) return readNumbers(coded.rows);
  const values = new Float64Array(file.n);
  if ("groups" in coded) {
    const [groups, numbers] = await Promise.all([readNumbers(file.groups), readNumbers(coded.groups)]);
    for (let i = 0; i < file.n; i++) values[i] = numbers[groups[i]];
    return values;
  }
  const codes = await inflated(coded.codes);
  for (let i = 0; i < file.n; i++) values[i] = codes[i] === 255 ? NaN : coded.levels[codes[i]];
  return values;
}

/** A column by name, accuracies first: its description, values, and their order (see ranks.js). */
async function readColumn(file, name) {
  file.read ??= new Map();
  if (!file.read.has(name)) {
    const accuracy = file.accuracies.find((column) => column.name === name);
    const coded = accuracy ?? file.scores.find((column) => column.name === name);
    file.read.set(name, readValues(file, coded).then((values) => ({
      name, accuracy: Boolean(accuracy), label: accuracy?.label ?? name, failures: coded.failures ?? {}, counts: Boolean(coded.whole),
      values, ...ordered(values),
    })));
  }
  return file.read.get(name);
}
