/** What was asked to be measured of a run beside its story: where its time went, and what performance counters would say. */
import type { Command } from 'commander';
import type { CounterValue, Machine } from '../machine/index.ts';
import { type KindShare, Shares, sharesText, type TraceSource } from '../recorder/index.ts';

export interface FindingsOptions {
  readonly where?: true;
  readonly wherePlot?: string;
  readonly counters?: true;
}

/** Adds the options to a command. */
export function withFindings(command: Command): Command {
  return command
    .option('--where', 'tell where the time went')
    .option('--where-plot <file>', 'draw it: a picture (.svg), or a page with it (.html)')
    .option('--counters', 'tell what the performance counters of a real machine would have counted');
}

/** Whose IOMMU has performance counters. */
export type Counted = Pick<Machine, 'count' | 'counters'>;

export class Findings {
  readonly #shares: Shares | null;
  readonly #tellsWhere: boolean;
  readonly #machine: Counted | null;

  /** Before time passes. */
  constructor(source: Pick<TraceSource, 'watch'>, machine: Counted, { where, wherePlot, counters }: FindingsOptions) {
    this.#tellsWhere = where === true;
    this.#shares = this.#tellsWhere || wherePlot !== undefined ? new Shares() : null;
    this.#machine = counters === true ? machine : null;
    if (this.#shares !== null) source.watch(this.#shares);
    this.#machine?.count();
  }

  /** Where the time went, if that was asked for in any way. */
  get kinds(): readonly KindShare[] {
    return this.#shares?.kinds ?? [];
  }

  /** For JSON. */
  get data(): Readonly<Record<string, unknown>> {
    return {
      ...(this.#tellsWhere && { where: this.kinds }),
      ...(this.#machine && { counters: this.#machine.counters() }),
    };
  }

  get lines(): string[] {
    const where = this.#tellsWhere ? section('Where the time went', sharesText(this.kinds)) : [];
    const counters =
      this.#machine === null ? [] : section('Performance counters', countersText(this.#machine.counters()));
    return [...where, ...counters];
  }
}

function section(title: string, lines: readonly string[]): string[] {
  return ['', `   ${title}`, ...lines.map((line) => `     ${line}`), ''];
}

/** As perf prints them: the count, the name; those without counterpart in the model are not supported. */
function countersText(counters: readonly CounterValue[]): string[] {
  const width = Math.max(...counters.map(({ name }) => name.length));
  return counters.map(({ name, count, meaning }) => {
    return `${(count === null ? '-' : String(count)).padStart(10)}  ${name.padEnd(width)}  ${meaning}`;
  });
}
