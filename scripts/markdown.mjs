// Tables of the generated pages.

const cell = (text) => String(text).replaceAll('|', '\\|');

/** A table; no rows give no table. */
export function table(heads, rows) {
  if (rows.length === 0) return [];
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(heads), `|${heads.map(() => '---').join('|')}|`, ...rows.map(line), ''];
}

/** What a field or member means, with the code points that have names. */
export function meaning(doc, values, radix = 10) {
  if (values === undefined) return doc;
  const number = (value) => (radix === 2 ? `${value.toString(2)}b` : value > 9 ? `${hexadecimal(value)}h` : value);
  return `${doc}: ${Object.entries(values)
    .map(([name, value]) => `${number(value)} ${name}`)
    .join(', ')}`;
}

/** As the specifications write it, without the h. */
export function hexadecimal(value, digits = 0) {
  const text = value.toString(16).toUpperCase().padStart(digits, '0');
  return /^[A-F]/.test(text) ? `0${text}` : text;
}
