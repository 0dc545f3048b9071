// docs/vtd.md: every register, structure, field and fault reason of Intel VT-d that is declared.
import { hexadecimal, table } from './markdown.mjs';
import { legend, referencePage } from './reference-page.mjs';

/** Chapters of the page, by the section of the specification that defines a layout. */
const CHAPTERS = [
  { title: 'Registers', sections: ['11.'] },
  { title: 'Descriptors and queue entries', sections: ['6.5', '7.4', '7.6'] },
  { title: 'Structures in memory', sections: ['9.'] },
  { title: 'Interrupt requests', sections: ['5.1'] },
  { title: 'Others', sections: [''] },
];

const sectionOf = (of) => of.$.reference.replace(/^VT-d /, '');
const isIn = (of, sections) => sections.some((section) => sectionOf(of).startsWith(section));

export function vtdPage({ spec, catalogue, proven, evidence }) {
  return referencePage({
    catalogue,
    proven,
    head: [
      '# Intel VT-d: what is declared and what is acted on',
      '',
      'Written by `npm run docs` from the declarations in `hardware/vtd/spec` and `hardware/formats`, which follow revision',
      '5.10 of the specification. Bits that no row names are reserved.',
      '',
      ...legend(evidence),
    ],
    chapters: CHAPTERS.map(({ title, sections }) => ({ title, has: (of) => isIn(of, sections) })),
    why: spec.whyNotActedOn,
    isRegister: (of) => isIn(of, ['11.']),
    order: (a, b) => sectionOf(a).localeCompare(sectionOf(b), 'en', { numeric: true }),
    conditions: { title: 'Fault reasons', lines: (state) => faultTable(spec, state) },
  });
}

function faultTable(spec, state) {
  const faults = Object.values(spec.FAULTS).map(({ code, name, mode, stage, meaning: text, qualified }) => [
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
