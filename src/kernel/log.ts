/** The kernel's log: one line per remark, with its time. The oldest lines make room when it is full. */
import { type Engine, formatTime, type Instant } from '../../hardware/sim/index.ts';

export interface LogLine {
  readonly at: Instant;
  readonly text: string;
}

const LIMIT = 10_000;

export class KernelLog {
  readonly lines: LogLine[] = [];
  /** Sees every line as it is written. */
  probe: ((line: LogLine) => void) | null = null;
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  write(text: string): void {
    const line = { at: this.#engine.now, text };
    if (this.lines.length === LIMIT) this.lines.shift();
    this.lines.push(line);
    this.probe?.(line);
  }

  toString(): string {
    return this.lines.map(({ at, text }) => `[${formatTime(at)}] ${text}`).join('\n');
  }
}
