// docs/amd-vi.md: every register, structure, field and condition of AMD-Vi that is declared, and where it comes from.
import { hexadecimal, table } from './markdown.mjs';
import { legend, referencePage } from './reference-page.mjs';

/** Chapters of the page, by the modules below hardware/amdvi/spec that declare a layout. */
const CHAPTERS = [
  { title: 'Registers', modules: ['registers/index'] },
  { title: 'Capability block', modules: ['capability-block'] },
  { title: 'Commands', modules: ['commands'] },
  { title: 'Event log, PPR log and GA log', modules: ['events', 'logs'] },
  { title: 'Device table', modules: ['device-table'] },
  { title: 'Interrupts', modules: ['interrupt'] },
];
export const AMDVI_MODULES = CHAPTERS.flatMap(({ modules }) => modules);

/** `modules` are those of AMDVI_MODULES by name; `layoutsOf` lists what one declares. */
export function amdviPage({ spec, modules, layoutsOf, catalogue, proven, evidence }) {
  const declared = (names) => new Set(names.flatMap((name) => layoutsOf(modules[name])));
  const chapters = CHAPTERS.map(({ title, modules: names }) => {
    const layouts = declared(names);
    return { title, has: (of) => layouts.has(of) };
  });
  const registers = declared(['registers/index']);
  return referencePage({
    catalogue,
    proven,
    head: [
      '# AMD-Vi: what is declared, where it comes from, and what is acted on',
      '',
      'Written by `npm run docs` from the declarations in `hardware/amdvi/spec` and `hardware/formats`. Bits that no row',
      "names are reserved. AMD's document (48882) was not at hand: each row names the sources on which it rests.",
      '',
      ...table(['Source', 'What it is'], Object.entries(spec.SOURCES)),
      ...legend(evidence),
    ],
    chapters: [...chapters, { title: 'Page tables', has: () => true }],
    why: spec.whyNotActedOn,
    isRegister: (of) => registers.has(of),
    columns: [{ title: 'Source', of: sourcesOf }],
    order: () => 0,
    conditions: { title: 'Conditions', lines: (state) => faultTable(spec, state) },
  });
}

/** A field rests on the sources of its layout unless it names others. */
function sourcesOf(of, { spec }) {
  return spec.sources?.join(' ') ?? of.$.reference.replace(/^AMD-Vi \((.*)\)$/, '$1');
}

function faultTable(spec, state) {
  const faults = Object.values(spec.FAULTS).map(({ code, name, meaning, flags, answer, translation, sources }) => [
    `${hexadecimal(code)}h`,
    name,
    meaning,
    Object.entries(flags)
      .map(([flag, value]) => `${flag}=${value}`)
      .join(' '),
    answer,
    translation,
    sources.join(' '),
    state(name),
  ]);
  return [
    'Code: that of the event. Answer: what an access gets that is not a translation request; Translation: what a translation',
    "request gets. The part of a name behind the dot is ours: AMD's events tell causes apart by their flags alone.",
    '',
    ...table(['Code', 'Name', 'Meaning', 'Flags', 'Answer', 'Translation', 'Source', 'State'], faults),
  ];
}
