/**
 * What an IOMMU of either vendor shows to somebody who asks: an explanation of one translation, its registers, its
 * tables as a tree, its caches. Plain data; asking changes nothing.
 */
import { type AnyLayout, type Field, hex, joinWords, type Words } from '../bits/index.ts';
import { Access, AddressType } from './access.ts';
import type { FaultReport, IommuProbe } from './probe.ts';

/** One field of a register or of a table entry. */
export interface FieldView {
  readonly name: string;
  /** Its place: `63:12`, or `0` for a single bit. */
  readonly bits: string;
  readonly value: bigint;
  /** The value as it is read: an address where the field names one, otherwise a number, with its name if it has one. */
  readonly text: string;
  readonly meaning: string;
}

/** A structure in memory or in a register page, decoded. */
export interface EntryView {
  readonly what: string;
  /** Physical address, or offset in the register page. */
  readonly address: number;
  readonly value: bigint;
  /** Width of the value. */
  readonly bits: number;
  /** Section of the specification. */
  readonly reference: string;
  readonly fields: readonly FieldView[];
}

export type Qualifier = 'execute' | 'privileged' | 'zero length' | 'translation request' | 'translated';

export interface Question {
  readonly requester: number;
  /** -1 without a PASID. */
  readonly pasid: number;
  readonly address: bigint;
  readonly write: boolean;
  /** What else the request says of itself. */
  readonly also?: readonly Qualifier[];
}

/** A write of one DWORD into the interrupt range. */
export interface InterruptQuestion {
  readonly requester: number;
  readonly address: bigint;
  readonly data: number;
}

export type ExplanationStep =
  /** What the request itself says. */
  | ({ readonly kind: 'request' } & EntryView)
  /** A register that decides how requests are treated. */
  | ({ readonly kind: 'register' } & EntryView)
  | { readonly kind: 'cache'; readonly cache: string; readonly hit: boolean; readonly detail: string }
  /** A table entry that was fetched. */
  | ({ readonly kind: 'read' } & EntryView)
  | { readonly kind: 'note'; readonly text: string };

export interface ExplainedFault {
  readonly code: number;
  readonly name: string;
  readonly meaning: string;
  /** The part of the procedure in which it was found. */
  readonly stage: string;
  /** What to check first. */
  readonly hint: string;
  /** False when the specification lets it go unrecorded. */
  readonly recorded: boolean;
}

export type ExplanationResult =
  | {
      readonly ok: true;
      readonly address: bigint;
      readonly pageBytes: number;
      readonly read: boolean;
      readonly write: boolean;
      readonly snoop: boolean;
    }
  /** `fault` is null where the specification answers without one. */
  | { readonly ok: false; readonly answer: string; readonly fault: ExplainedFault | null };

export interface Explanation {
  readonly question: Question;
  readonly steps: readonly ExplanationStep[];
  readonly result: ExplanationResult;
}

/** The message that reaches the processors. */
export interface DeliveredInterrupt {
  readonly address: bigint;
  readonly data: number;
  readonly fields: readonly FieldView[];
}

export type InterruptResult =
  /** `message` is null where the interrupt is recorded in memory and nobody has to be told. */
  | { readonly ok: true; readonly message: DeliveredInterrupt | null }
  | { readonly ok: false; readonly answer: string; readonly fault: ExplainedFault | null };

export interface InterruptExplanation {
  readonly question: InterruptQuestion;
  readonly steps: readonly ExplanationStep[];
  readonly result: InterruptResult;
}

/** Pages that lie side by side at both ends. */
export interface PageRun {
  readonly to: number;
  readonly pageBytes: number;
  readonly count: number;
  readonly read: boolean;
  readonly write: boolean;
}

/** One node of a table tree: an entry with what it leads to, a run of pages, or words about either. */
export interface TableNode {
  readonly what: string;
  /** Which entry of its table: `bus 00`, `01.0`, `[3]`. */
  readonly index?: string;
  readonly entry?: EntryView;
  /** I/O virtual addresses, or guest physical ones where the stage translates those. */
  readonly range?: { readonly first: bigint; readonly last: bigint };
  readonly pages?: PageRun;
  readonly note?: string;
  readonly children: readonly TableNode[];
}

export interface CacheView {
  readonly name: string;
  /** `null` when the unit has none. */
  readonly size: { readonly sets: number; readonly ways: number } | null;
  readonly entries: readonly Readonly<Record<string, string>>[];
}

export interface IommuInspector {
  /** What would become of a request now. */
  explain(question: Question): Explanation;
  /** What would become of an interrupt message now. */
  explainInterrupt(question: InterruptQuestion): InterruptExplanation;
  registers(): EntryView[];
  /** The tables of one requester, or of all that have any; with a PASID only what belongs to it. */
  tables(requester?: number, pasid?: number): TableNode;
  /** The interrupt remapping table, and the queue of commands; `null` when the unit has none. */
  interrupts(): TableNode | null;
  queue(): TableNode | null;
  /** The rings that the unit fills for software. */
  logs(): readonly TableNode[];
  caches(): CacheView[];
}

/** The words for bits of an access and for an address type. */
export function qualifiersOf(access: number, addressType: number): Qualifier[] {
  const ofAccess = Object.entries(ACCESS_WORDS).filter(([, bit]) => (access & bit) !== 0);
  const ofType = Object.entries(TYPE_WORDS).filter(([, type]) => type === addressType);
  return [...ofAccess, ...ofType].map(([word]) => word as Qualifier);
}

/** Bits of an access and the address type for words. */
export function accessFor({ write, also = [] }: Question): { readonly access: number; readonly addressType: number } {
  let access: number = write ? Access.WRITE : Access.READ;
  let addressType: number = AddressType.UNTRANSLATED;
  for (const word of also) {
    if (word in ACCESS_WORDS) access |= ACCESS_WORDS[word as keyof typeof ACCESS_WORDS];
    else addressType = TYPE_WORDS[word as keyof typeof TYPE_WORDS];
  }
  return { access, addressType };
}

const ACCESS_WORDS = {
  execute: Access.EXECUTE,
  privileged: Access.PRIVILEGED,
  'zero length': Access.ZERO_LENGTH,
} as const satisfies Partial<Record<Qualifier, number>>;
const TYPE_WORDS = {
  'translation request': AddressType.TRANSLATION,
  translated: AddressType.TRANSLATED,
} as const satisfies Partial<Record<Qualifier, number>>;

export const QUALIFIERS = [...Object.keys(ACCESS_WORDS), ...Object.keys(TYPE_WORDS)] as readonly Qualifier[];

/** Decodes the structure that starts at word `at` of `words`. */
export function entryView(of: AnyLayout, words: Words, address: number, at = 0, what = of.$.name): EntryView {
  const { bits, reference, offset, fields } = of.$;
  const base = at - (offset ?? 0) / 4;
  return {
    what,
    address,
    value: joinWords(words, at, of.$.words),
    bits,
    reference,
    fields: fields.map((field) => fieldView(field, words, base)),
  };
}

/** A structure whose layout nobody knows. */
export function rawView(what: string, words: Words, count: number, address: number): EntryView {
  return { what, address, value: joinWords(words, 0, count), bits: count * 32, reference: '', fields: [] };
}

function fieldView(field: Field, words: Words, base: number): FieldView {
  const { hi, lo, doc } = field.spec;
  const value = field.big(words, base);
  const place = lo & 63;
  const named = field.valueName(words, base);
  // A pointer's value is written as the address that it means.
  const isAddress = field.width >= 20 && place >= 2 && place <= 30;
  const number = isAddress ? hex(value << BigInt(place)) : value < 10n ? String(value) : hex(value);
  return {
    name: field.name,
    bits: hi === lo ? `${hi}` : `${hi}:${lo}`,
    value,
    text: named === undefined ? number : `${number} (${named})`,
    meaning: doc,
  };
}

/** Listens to one question and keeps what it hears as steps. */
export class Explainer implements IommuProbe {
  readonly steps: ExplanationStep[] = [];
  readonly #layoutOf: (what: string, words: Words) => AnyLayout | undefined;

  constructor(layoutOf: (what: string, words: Words) => AnyLayout | undefined) {
    this.#layoutOf = layoutOf;
  }

  cache(cache: string, hit: boolean, detail: string): void {
    this.steps.push({ kind: 'cache', cache, hit, detail });
  }

  read(what: string, address: number, words: Uint32Array, count: number): void {
    const layout = this.#layoutOf(what, words);
    const view =
      layout === undefined ? rawView(what, words, count, address) : entryView(layout, words, address, 0, what);
    this.steps.push({ kind: 'read', ...view });
  }

  // What only real requests, commands and interrupts tell.
  hit(): void {}
  miss(): void {}
  translated(): void {}
  fault(_report: FaultReport): void {}
  invalidated(): void {}
  registerWritten(): void {}
  interrupt(): void {}
}
