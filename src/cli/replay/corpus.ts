/**
 * Recorded cases, format `iommu-diff/1`: what a corpus file may hold, and one clear sentence about the first thing in
 * it that is not so. The rest of replay works on the types here and never meets text again.
 *
 * Offers: `parseCorpus(text)`, `parseContested(text)`, both throwing `CorpusError`.
 */
import { z } from 'zod';

/** Something in a file that stands against its format; the message says where, not which file. */
export class CorpusError extends Error {}

export const FORMAT = 'iommu-diff/1';

const LARGEST = (1n << 64n) - 1n;

const hex = z
  .string({ error: 'must be a hexadecimal string such as "0x1f"' })
  .regex(/^0x[0-9a-fA-F]{1,16}$/, 'must be a hexadecimal string of at most 64 bits such as "0x1f"')
  .transform(BigInt);
const small = hex.transform(Number).refine(Number.isSafeInteger, 'does not fit in 53 bits');
const count = z.int({ error: 'must be a whole number' }).nonnegative('must not be negative');
const flag = z.boolean({ error: 'must be true or false' });
const text = z.string({ error: 'must be a string' });
const listOf = <T extends z.ZodType>(of: T) => z.array(of, { error: 'must be a list' });
const mapOf = <T extends z.ZodType>(of: T) => z.record(z.string(), of, { error: 'must be an object' });
const fields = <T extends z.ZodRawShape>(shape: T) => z.object(shape, { error: 'must be an object' });
const width = z.union([z.literal(4), z.literal(8)], { error: 'must be 4 or 8' });

/** What somebody says happens to one request. */
export type Reading =
  | { readonly kind: 'translated'; readonly address: bigint }
  /** `codes`: the reason and what may stand for it; `recorded` is false where fault processing is disabled. */
  | { readonly kind: 'blocked'; readonly codes: readonly number[]; readonly recorded: boolean; readonly why: string }
  /** No reading says what happens; `name` is the open question. */
  | { readonly kind: 'open'; readonly name: string };

const reading = fields({
  ok: flag.optional(),
  pa: hex.optional(),
  reason: count.optional(),
  code: count.optional(),
  alt: listOf(count).optional(),
  fpd: flag.optional(),
  noEvent: flag.optional(),
  special: text.optional(),
  why: text.optional(),
}).transform((said, context): Reading => {
  if (said.special !== undefined) return { kind: 'open', name: said.special };
  const missing = (field: string): Reading => {
    context.issues.push({ code: 'custom', message: 'is missing', path: [field], input: said });
    return z.NEVER;
  };
  if (said.ok === undefined) return missing('ok');
  if (said.ok) return said.pa === undefined ? missing('pa') : { kind: 'translated', address: said.pa };
  const code = said.reason ?? said.code;
  if (code === undefined) return missing('reason');
  const recorded = said.fpd !== true && said.noEvent !== true;
  return { kind: 'blocked', codes: [code, ...(said.alt ?? [])], recorded, why: said.why ?? '' };
});

/** `"0x…"` is an address, `"f:0x…"` a fault. */
const legal = text.transform((said, context): Reading => {
  const [, fault, value] = /^(f:)?(0x[0-9a-fA-F]{1,16})$/.exec(said) ?? [];
  if (value === undefined) {
    context.issues.push({ code: 'custom', message: 'must be an address "0x…" or a fault "f:0x…"', input: said });
    return z.NEVER;
  }
  if (fault === undefined) return { kind: 'translated', address: BigInt(value) };
  return { kind: 'blocked', codes: [Number(value)], recorded: true, why: '' };
});

/** What the recorder saw its machine do, as far as the rules about its deviations need it. */
export interface Recorded {
  readonly translated: boolean;
  /** Reason of the fault or code of the first event that was recorded. */
  readonly code: number | null;
  /** A fault was already waiting, so none could be recorded. */
  readonly pending: boolean;
  /** The recorder's trace says that its IOTLB answered. */
  readonly hit: boolean;
}

const outcome = fields({
  ok: flag,
  pending: flag.optional(),
  fault: fields({ reason: count }).nullish(),
  events: listOf(fields({ code: count })).optional(),
  wb: fields({ iotlb: text.optional() }).optional(),
}).transform(
  (out): Recorded => ({
    translated: out.ok,
    code: out.fault?.reason ?? out.events?.[0]?.code ?? null,
    pending: out.pending === true,
    hit: out.wb?.iotlb === 'hit',
  }),
);

const step = z.discriminatedUnion(
  'op',
  [
    fields({ op: z.literal('reg'), off: small, w: width, val: hex, note: text.optional() }),
    fields({ op: z.literal('chk'), off: small, w: width, mask: hex.default(LARGEST), got: hex }),
    fields({ op: z.literal('mem'), at: hex, q: listOf(hex) }),
    fields({ op: z.literal('memrd'), at: hex, n: count, got: listOf(hex) }).refine(
      (read) => read.got.length === read.n,
      { error: 'must have as many values as "n" says', path: ['got'] },
    ),
    fields({
      op: z.literal('dma'),
      dev: text,
      rw: z.enum(['r', 'w'], { error: 'must be "r" or "w"' }),
      iova: hex,
      len: width.default(4),
      drain: flag.default(true),
      cand: listOf(hex).default([]),
      fresh: reading,
      fresh2: reading.optional(),
      legal: listOf(legal).default([]),
      cls: z.enum(['agree', 'stale', 'deviates', 'ambiguous'], {
        error: 'must be one of agree, stale, deviates, ambiguous',
      }),
      out: outcome,
    }),
  ],
  { error: 'must be one of reg, chk, mem, memrd, dma' },
);

const recordedCase = fields({
  id: text,
  profile: text,
  topo: text.default(''),
  tag: listOf(hex).default([]),
  mem: z.record(z.string().regex(/^0x[0-9a-fA-F]{1,16}$/), listOf(hex), {
    error: 'must be an object of addresses "0x…"',
  }),
  evtlog: fields({ base: small, entries: count }).optional(),
  steps: listOf(step),
});

const header = {
  format: z.literal(FORMAT, { error: `must be "${FORMAT}"` }),
  platform: fields({
    ram: listOf(z.tuple([hex, hex], { error: 'must be a pair of start and length' })),
    devices: mapOf(fields({ sid: small })),
  }),
  cases: listOf(recordedCase),
};

const corpus = z.discriminatedUnion(
  'vendor',
  [
    fields({
      ...header,
      vendor: z.literal('intel'),
      profiles: mapOf(fields({ ver: hex, cap: hex, ecap: hex })),
    }),
    fields({ ...header, vendor: z.literal('amd'), profiles: mapOf(fields({ efr: hex })) }),
  ],
  { error: 'must be "intel" or "amd"' },
);

export type Corpus = z.output<typeof corpus>;
export type RecordedCase = z.output<typeof recordedCase>;
export type Step = z.output<typeof step>;
export type DmaStep = Extract<Step, { op: 'dma' }>;

/** The corpus that `text` holds. */
export function parseCorpus(text: string): Corpus {
  const value = parseJson(text);
  const parsed = corpus.safeParse(value);
  if (!parsed.success) throw new CorpusError(sentence(parsed.error.issues[0]!, value));
  for (const [i, { id, profile, evtlog, steps }] of parsed.data.cases.entries()) {
    const place = placeOf(['cases', i], value);
    if (!Object.hasOwn(parsed.data.profiles, profile)) {
      throw new CorpusError(`${place}: profile "${profile}" is not one of ${Object.keys(parsed.data.profiles)}`);
    }
    if (parsed.data.vendor === 'amd' && evtlog === undefined) throw new CorpusError(`${place}: evtlog is missing`);
    for (const [n, it] of steps.entries()) {
      if (it.op !== 'dma' || Object.hasOwn(parsed.data.platform.devices, it.dev)) continue;
      throw new CorpusError(`case ${id}, step ${n}: dev "${it.dev}" is not one of platform.devices`);
    }
  }
  return parsed.data;
}

/** The two readings of a step that a second reader of the specifications sees otherwise. */
export type Contested = ReadonlyMap<string, readonly [first: string, second: string]>;

const opinion = text.regex(/^(ok|none|0x[0-9a-fA-F]{1,2})$/, 'must be "ok", "none" or a fault code "0x…"');

const contested = listOf(
  fields({ step: text.regex(/^.+#\d+$/, 'must be a case id, "#" and a step number'), first: opinion, second: opinion }),
);

/** The contested steps that `text` lists, by `case id#step number`. */
export function parseContested(text: string): Contested {
  const value = parseJson(text);
  const parsed = contested.safeParse(value);
  if (!parsed.success) throw new CorpusError(sentence(parsed.error.issues[0]!, value));
  return new Map(parsed.data.map(({ step, first, second }) => [step, [first, second]]));
}

function parseJson(source: string): unknown {
  try {
    return JSON.parse(source);
  } catch (error) {
    const at = /position (\d+)/.exec(String(error))?.[1];
    const line = source.slice(0, at === undefined ? source.length : Number(at)).split('\n').length;
    throw new CorpusError(`line ${line}: not JSON${at === undefined ? ', the text ends too early' : ''}`);
  }
}

function sentence(issue: z.core.$ZodIssue, root: unknown): string {
  if (issue.path.length === 0) return `the file must be a JSON ${Array.isArray(root) ? 'object' : 'list'}`;
  const place = placeOf(issue.path, root);
  const says = valueAt(issue.path, root) === undefined && issue.path.length > 0 ? 'is missing' : issue.message;
  return place === '' ? `the file ${says}` : `${place} ${says}`;
}

/** A path in words: a case by its id where it has one, a step by its number. */
function placeOf(path: readonly PropertyKey[], root: unknown): string {
  if (path[0] !== 'cases' || path.length < 2) return join(path);
  const id = valueAt([...path.slice(0, 2), 'id'], root);
  const place = [typeof id === 'string' ? `case ${id}` : `cases[${String(path[1])}]`];
  let rest = path.slice(2);
  if (rest[0] === 'steps' && rest.length > 1) {
    place.push(`step ${String(rest[1])}`);
    rest = rest.slice(2);
  }
  if (rest.length > 0) place.push(join(rest));
  return place.join(', ');
}

function join(path: readonly PropertyKey[]): string {
  return path.map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i === 0 ? '' : '.'}${String(key)}`)).join('');
}

function valueAt(path: readonly PropertyKey[], root: unknown): unknown {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return value;
}
