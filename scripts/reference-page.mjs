// A page of everything that one specification declares, with what is acted on.
import { hexadecimal, meaning, table } from './markdown.mjs';

export const ACTED_ON = 'acted on';
export const DECLARED_ONLY = 'declared only';

/**
 * `text`; the names in `proven` that are no row of the page; the rows that are not in it and of which `why` does not say
 * why they have no more. Without `why` nobody is asked. A page has a `head` in lines; `chapters`, each with a
 * `title` and `has`, which takes a layout; `isRegister`; `columns` beside those that every field has, each with a `title`
 * and `of`, which takes a layout and a field; and `conditions` with a `title` and `lines`, which takes what gives the
 * state of a row.
 */
export function referencePage({ catalogue, proven, head, chapters, isRegister, columns = [], order, conditions, why }) {
  const unknown = new Set(Object.keys(proven));
  const counts = new Map();
  let kind = '';
  const unexplained = new Set();
  /** What is said of a row; a field does not repeat the reason of its structure. */
  const state = (row, ofWhat) => {
    unknown.delete(row);
    const found = row in proven ? ACTED_ON : DECLARED_ONLY;
    const of = counts.get(kind) ?? new Map();
    // A row that several structures share stands with each and counts once.
    counts.set(kind, of.set(row, found));
    const reason = why?.(row);
    if (why !== undefined && reason === undefined && found === DECLARED_ONLY) unexplained.add(row);
    const isSaid = ofWhat !== undefined && reason === why?.(ofWhat);
    if (reason === undefined || isSaid) return found;
    return found === ACTED_ON ? `${ACTED_ON} in part: ${reason}` : `${DECLARED_ONLY}: ${reason}`;
  };
  const left = new Set(catalogue.layouts);
  const lines = chapters.flatMap(({ title, has }) => {
    const here = [...left].filter(has);
    for (const of of here) left.delete(of);
    kind = title;
    if (here.length === 0) return [];
    const sorted = here.sort((a, b) => placeOf(a) - placeOf(b) || order(a, b) || (a.$.name < b.$.name ? -1 : 1));
    return [`## ${title}`, '', ...sorted.flatMap((of) => structure(of, { catalogue, isRegister, columns, state }))];
  });
  kind = conditions.title;
  const last = [`## ${kind}`, '', ...conditions.lines(state)];
  const text = [...head, ...summary(counts), ...lines, ...last].join('\n');
  return { text: `${text.trimEnd()}\n`, unknown: [...unknown], unexplained: [...unexplained] };
}

/** What the states mean; `evidence` is the file that names the tests. */
export function legend(evidence) {
  return [
    `A row is **${ACTED_ON}** where a test that claims to prove it fails when the row is switched off: a field then reads 0`,
    'and takes no value (an ignored one becomes reserved), a register or structure loses all its fields, a descriptor is',
    `refused, a fault reason loses its code. \`npm run prove\` tries it, and \`${evidence}\` names the tests.`,
    `Every other row is **${DECLARED_ONLY}**: it has its name and place and, behind the colon or the name of its structure,`,
    'the reason why it has no more. A row that is acted on in part names what is left out.',
    '',
  ];
}

function summary(counts) {
  const count = (rows, wanted) => [...rows.values()].filter((state) => state === wanted).length;
  const line = (name, rows) => [name, rows.size, count(rows, ACTED_ON), count(rows, DECLARED_ONLY)];
  const all = new Map([...counts.values()].flatMap((rows) => [...rows]));
  return table(
    ['', 'Rows', 'Acted on', 'Declared only'],
    [...[...counts].map(([name, rows]) => line(name, rows)), line('All', all)],
  );
}

/** Registers stand by their place, before everything else. */
const placeOf = (of) => of.$.offset ?? Number.MAX_SAFE_INTEGER;

function structure(of, { catalogue, isRegister, columns, state }) {
  const { name, offset, reference, fields } = of.$;
  const place =
    offset !== undefined ? `at ${hexadecimal(offset, 3)}h, ` : isRegister(of) ? 'at a place of its own, ' : '';
  const lines = fields.map((field) => [
    field.spec.hi === field.spec.lo ? field.spec.hi : `${field.spec.hi}:${field.spec.lo}`,
    isRegister(of) ? field.spec.access : '',
    field.name,
    meaning(field.spec.doc, field.spec.values, field.width <= 4 ? 2 : 10),
    ...columns.map((column) => column.of(of, field)),
    state(catalogue.rowOf(of, field), name),
  ]);
  return [
    `### ${name}`,
    '',
    `${place}${of.$.bits} bits, ${reference}: ${state(name)}.`.replace(/^a/, 'A'),
    '',
    ...table(['Bits', 'Access', 'Name', 'Meaning', ...columns.map(({ title }) => title), 'State'], lines),
  ];
}
