// docs/vtd.md: every register, structure, field and fault reason of Intel VT-d that is declared.
import { hexadecimal, meaning, table } from './markdown.mjs';

const ACTED_ON = 'acted on';
const DECLARED_ONLY = 'declared only';

/** Chapters of the page, by the section of the specification that defines a layout. */
const CHAPTERS = [
  { title: 'Registers', sections: ['11.'] },
  { title: 'Descriptors and queue entries', sections: ['6.5', '7.4', '7.6'] },
  { title: 'Structures in memory', sections: ['9.'] },
  { title: 'Interrupt requests', sections: ['5.1'] },
  { title: 'Others', sections: [''] },
];

/** `text`; the names in `proven` that are no row of the page; the rows that are not in it, and nothing says why. */
export function vtdPage({ vtd, rows, proven }) {
  const unknown = new Set(Object.keys(proven));
  const unexplained = new Set();
  const counts = new Map();
  let kind = '';
  /** What is said of a row; a field does not repeat the reason of its structure. */
  const state = (row, ofWhat) => {
    unknown.delete(row);
    const found = row in proven ? ACTED_ON : DECLARED_ONLY;
    const of = counts.get(kind) ?? new Map();
    // A row that several structures share stands with each and counts once.
    counts.set(kind, of.set(row, found));
    const why = vtd.whyNotActedOn(row);
    if (why === undefined && found === DECLARED_ONLY) unexplained.add(row);
    const isSaid = ofWhat !== undefined && why === vtd.whyNotActedOn(ofWhat);
    if (why === undefined || isSaid) return found;
    return found === ACTED_ON ? `${ACTED_ON} in part: ${why}` : `${DECLARED_ONLY}: ${why}`;
  };
  const left = new Set(rows.LAYOUTS);
  const chapters = CHAPTERS.flatMap(({ title, sections }) => {
    const here = [...left].filter((of) => sections.some((section) => sectionOf(of).startsWith(section)));
    for (const of of here) left.delete(of);
    kind = title;
    if (here.length === 0) return [];
    return [`## ${title}`, '', ...here.sort(inOrder).flatMap((of) => structure(of, rows, state))];
  });
  kind = 'Fault reasons';
  const faults = ['## Fault reasons', '', ...faultTable(vtd, state)];
  const text = [...head(counts), ...chapters, ...faults].join('\n');
  return { text: `${text.trimEnd()}\n`, unknown: [...unknown], unexplained: [...unexplained] };
}

function head(counts) {
  const count = (rows, wanted) => [...rows.values()].filter((state) => state === wanted).length;
  const line = (name, rows) => [name, rows.size, count(rows, ACTED_ON), count(rows, DECLARED_ONLY)];
  const all = new Map([...counts.values()].flatMap((rows) => [...rows]));
  return [
    '# Intel VT-d: what is declared and what is acted on',
    '',
    'Written by `npm run docs` from the declarations in `hardware/vtd/spec` and `hardware/formats`, which follow revision',
    '5.10 of the specification. Bits that no row names are reserved.',
    '',
    `A row is **${ACTED_ON}** where a test that claims to prove it fails when the row is switched off: a field then reads 0`,
    'and takes no value (an ignored one becomes reserved), a register or structure loses all its fields, a descriptor is',
    'refused, a fault reason loses its code. `npm run prove` tries it, and `docs/evidence/vtd-proofs.json` names the tests.',
    `Every other row is **${DECLARED_ONLY}**: it has its name and place and, behind the colon or the name of its structure,`,
    'the reason why it has no more. A row that is acted on in part names what is left out.',
    '',
    ...table(
      ['', 'Rows', 'Acted on', 'Declared only'],
      [...[...counts].map(([name, rows]) => line(name, rows)), line('All', all)],
    ),
  ];
}

// --- layouts ---

const sectionOf = (of) => of.$.reference.replace(/^VT-d /, '');

/** Registers by their place, everything else by section. */
function inOrder(a, b) {
  const place = (of) => of.$.offset ?? Number.POSITIVE_INFINITY;
  if (place(a) !== place(b)) return place(a) - place(b);
  return sectionOf(a).localeCompare(sectionOf(b), 'en', { numeric: true }) || (a.$.name < b.$.name ? -1 : 1);
}

function structure(of, { rowOf }, state) {
  const { name, offset, reference, fields } = of.$;
  const isRegister = sectionOf(of).startsWith('11.');
  const place = offset !== undefined ? `at ${hexadecimal(offset, 3)}h, ` : isRegister ? 'at a place of its own, ' : '';
  const lines = fields.map((field) => [
    field.spec.hi === field.spec.lo ? field.spec.hi : `${field.spec.hi}:${field.spec.lo}`,
    isRegister ? field.spec.access : '',
    field.name,
    meaning(field.spec.doc, field.spec.values, field.width <= 4 ? 2 : 10),
    state(rowOf(of, field), name),
  ]);
  return [
    `### ${name}`,
    '',
    `${place}${of.$.bits} bits, ${reference}: ${state(name)}.`.replace(/^a/, 'A'),
    '',
    ...table(['Bits', 'Access', 'Name', 'Meaning', 'State'], lines),
  ];
}

// --- faults ---

function faultTable(vtd, state) {
  const faults = Object.values(vtd.FAULTS).map(({ code, name, mode, stage, meaning: text, qualified }) => [
    `${hexadecimal(code, 2)}h`,
    name,
    mode,
    stage,
    text,
    qualified ? 'yes' : 'no',
    state(name),
  ]);
  return [
    'Qualified: FPD = 1 in an entry met on the way keeps the fault from being recorded. One row is one condition; several',
    'conditions may share a code (VT-d 7.1.3, table 30; for interrupts 5.1.4.1, table 15).',
    '',
    ...table(['Code', 'Name', 'Mode', 'Stage', 'Meaning', 'Qualified', 'State'], faults),
  ];
}
