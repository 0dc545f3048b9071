/** How points of pcie-bench, its data files and its directories say what they were measured with. */
import type { Experiment, MachineName, Statistic } from './experiment.ts';

type Choices<T> = readonly (readonly [T, RegExp])[];

/** Devices that are not the NFP-6000 in its slot of generation 3. */
export const OTHER_DEVICE = /net-?fpga|nfp-?3200|(?<![a-z])gen-?[124-7](?!\d)/i;

export const MODELS: Choices<MachineName> = [
  ['hsw-e3', /(?<![a-z\d])(?:hsw|haswell)?[ -]*e3(?![a-z\d])/i],
  ['hsw-2620v3', /2620[ -]?v3|(?:hsw|haswell)[ -]?2620/i],
  ['hsw', /2637[ -]?v3/i],
  ['bdw', /26\d\d[ -]?v4/i],
  ['ivb', /26\d\d[ -]?v2/i],
];
export const FAMILIES: Choices<MachineName> = [
  ['bdw', /(?<![a-z])bdw|broadwell/i],
  ['hsw', /(?<![a-z])hsw|haswell/i],
  ['ivb', /(?<![a-z])(?:ivb|ib(?![a-z]))|ivy ?bridge/i],
  ['snb', /(?<![a-z])snb|sandy ?bridge|\bE5[ -]26\d\d(?![ -]?v\d|\d)/i],
];
/** On which machine the paper's sections and figures were measured. */
export const FIGURES: Choices<MachineName> = [
  ['hsw', /§ ?6\.2|\bfig(?:ure|\.)? ?6\b/i],
  ['snb', /§ ?6\.3|\bfig(?:ure|\.)? ?7\b/i],
  ['bdw', /§ ?6\.[45]|\bfig(?:ure|\.)? ?[89]\b/i],
];

const FOUR_KIB = /\b4 ?k(?:i?b)?[ -]?(?:only|mappings?|pages?|ptes?)|pages? of 4 ?k|io-?mmu ?4k/;
const NO_SUPER_PAGES =
  /\bno[ -]?sp\b|\bsp[ _=-]*(?:off|disabled)|(?:no|without|w\/o) (?:super|huge|large)[ -]?pages?|(?:super|huge|large)[ -]?pages?[ =:]*(?:off|disabled)/;
export const PAGES: Choices<'4K' | 'superpages'> = [
  ['4K', new RegExp(`${FOUR_KIB.source}|${NO_SUPER_PAGES.source}`, 'i')],
  [
    'superpages',
    /(?:super|huge|large)[ -]?pages?|io-?mmu[ -]?(?:sp|2m|1g)(?![a-z\d])|\b[12] ?[mg](?:i?b)?[ -]?pages?/i,
  ],
];
/** The paper looks for the IO-TLB with super pages switched off. */
export const PAGES_OF_FIGURES: Choices<'4K'> = [['4K', /io-?tlb[ -]?miss|§ ?6\.5|\bfig(?:ure|\.)? ?9\b/i]];
/** Pass-through is no translation either. */
export const TRANSLATES: Choices<boolean> = [
  [
    false,
    /\bno[ -]?io-?mmu|io-?mmu[ =:]*(?:is )?(?:on,)?(?:off|disabled|none|pt|pass-?through)\b|\b(?:without|w\/o) (?:an? |the )?io-?mmu|\b(?:no|without) translation|\bpass-?through\b/i,
  ],
  [true, /io-?mmu|super ?pages?|io-?tlb|\bsp[ _]off|\bnosp\b/i],
];

/** In directories: the sockets of the device, of the memory, and of the program. */
export const NODES: Choices<Experiment['node']> = [
  [
    'remote',
    /\bremote\b|\bother (?:numa )?(?:node|socket)|\b(?:node|numa|socket)[ =-]?1\b|(?<!s\d[ -])\bs(\d)[ -]s(?!\1)\d/i,
  ],
  ['local', /\blocal\b|\bsame (?:numa )?(?:node|socket)|\b(?:node|numa|socket)[ =-]?0\b|(?<!s\d[ -])\bs(\d)[ -]s\1/i],
];

export const KINDS: Choices<Experiment['kind']> = [
  ['writeRead', /(?<![a-z])wr[ +-]?rd(?![a-z])|\bwrite[ -]?(?:(?:and )?then |followed by (?:a )?)?read/i],
  [
    'readWrite',
    /(?<![a-z])r[ /]?w(?![a-z])|(?<![a-z])rd[ +/-]?wr(?![a-z])|\breads? ?(?:[+/&-]|and) ?writes?|\bwrites and reads|\balternat/i,
  ],
  ['write', /(?<![a-z])m?wr(?![a-z])|\bwrit(?:es?|ing)\b/i],
  ['read', /(?<![a-z])m?rd(?![a-z])|\bread(?:s|ing)?\b/i],
];
/** Nothing tells a device when a posted write has arrived: a latency is that of a read. */
export const BANDWIDTH_KINDS: ReadonlySet<Experiment['kind']> = new Set(['read', 'write', 'readWrite']);
export const LATENCY_KINDS: ReadonlySet<Experiment['kind']> = new Set(['read', 'writeRead']);
export const ENGINES: Choices<Experiment['engine']> = [
  ['command', /(?<![a-z])cmds?(?![a-z])|\bcommands?\b/i],
  ['dma', /(?<![a-z])dma(?![a-z])/i],
];

/** Cold: the host's program, or the device, has driven everything else through the cache before (Cold, DThrash). */
export const CACHES: Choices<Experiment['cache']> = [
  [
    'cold',
    /(?<![a-z])(?:cold|d?thrash(?:ed)?|flushed|evicted)(?![a-z])|\bLLC[ -]?miss|\b(?:not|un)[ -]?(?:cached|resident)/i,
  ],
  ['warm', /(?<![a-z])[hd]?warm|\bLLC[ -]?(?:hit|resident)|\bcached\b/i],
];

const SIZE = '(\\d+(?:\\.\\d+)?(?:[ -]?(?:[KMG]i?B?|B|bytes?))?)(?![a-z\\d])';
export const WINDOW = [
  new RegExp(`(?<![a-z])(?:win(?:dow)?[ _-]?(?:sz|size)?|working set)(?: of)?[ _=:]*${SIZE}`, 'i'),
  /(?<![\w.])(\d+(?:\.\d+)?[ -]?(?:[KMG]i?B?|B|bytes?))[ -](?:window|working set)/i,
] as const;
export const OFFSET = [
  /(?<!\bdev(?:ice)?[ -])\boffset(?: of)?[ =:]*(\d+)/i,
  /\boff(\d+)/i,
  /(?<![a-z])HO[ =:]*(\d+)/,
  /\b(\d+)[ -]?(?:B|bytes?)[ -](?:host[ -])?offset/i,
] as const;
const LARGE_SIZE = '\\d+(?:\\.\\d+)?[ -]?[KMG]i?B?';
/** Sizes of other things than a transfer. */
export const OTHER_SIZE = new RegExp(
  [
    ...[...WINDOW, ...OFFSET].map(({ source }) => `${source}(?:[ -]?(?:B|bytes?)\\b)?`),
    `${LARGE_SIZE}[ -](?:only|(?:host )?buffers?|mappings?|pages?|ptes?|LLC|caches?)\\b`,
    `\\b(?:buffers?|pages?) of ${LARGE_SIZE}`,
    '\\d+[ -]?(?:B|bytes?)[ -]cache ?lines?\\b',
  ].join('|'),
  'gi',
);
/** "rd64" of a figure, "_rnd_64." of a file. */
export const SIZE_IN_NAME = [/(?<![a-z])(?:wrrd|rd|wr|rw)(\d+)\b/i, /_rnd_(\d+)(?:_cold)?\.\w/i] as const;

/** "other": an average over the whole run, with what the device does between transfers. */
export const STATISTICS: Choices<Exclude<Statistic, { percentile: number }> | 'other'> = [
  ['other', /\bTAvg\b|\btotal average\b/i],
  ['median', /\bmed(?:ian)?\b/i],
  ['mean', /\b(?:mean|avg|average)\b/i],
  ['min', /\bmin(?:imum|imal)?\b/i],
  ['max', /\bmax(?:imum|imal)?\b(?! (?:payload|read))/i],
];
export const PERCENTILE = [
  /\bp(99[. ]?9+|\d{1,2}(?:\.\d+)?|100)\b/i,
  /(?<![\d.])(\d{1,2}(?:\.\d+)?)(?:st|nd|rd|th)?[ -]?(?:percentile|quantile|%-?ile)/i,
  /(?<![\d.])(\d{1,2}(?:\.\d+)?) ?%(?! of)/i,
] as const;

/** A point that says how two experiments differ. */
export const COMPARISON =
  /\b(?:vs|versus|changes?|differences?|adder|drops?|increases?|decreases?|reductions?|loss|gain|penalty|benefit|overhead|delta|ratio|relative)\b/i;
/** What of a bandwidth is lost. */
export const FALLS = /\b(?:drops?|loss|decreases?|reductions?|penalty|cost)\b/i;
export const MISSES = /io-?tlb[ -]?miss/i;

const AGAINST = '[^;]*\\b(?:vs|versus|over|against|compared|relative)\\b';
/** What two experiments differ in. */
export const AXES: Choices<'iommu' | 'node' | 'cache'> = [
  ['iommu', new RegExp(`io-?mmu${AGAINST}|${MISSES.source}|\\bfig(?:ure|\\.)? ?9\\b`, 'i')],
  ['node', new RegExp(`\\b(?:remote|local)${AGAINST}[^;]*\\b(?:remote|local)\\b|\\bfig(?:ure|\\.)? ?8\\b`, 'i')],
  ['cache', new RegExp(`\\b(?:cold|h?warm|resident|cached?|DDIO)${AGAINST}`, 'i')],
];
export const MEASURES: Choices<'bandwidth' | 'latency'> = [
  ['bandwidth', /(?<![a-z])(?:bw|bandwidth|throughput)(?![a-z])/i],
  ['latency', /(?<![a-z])(?:lat|latency)(?![a-z])/i],
];
