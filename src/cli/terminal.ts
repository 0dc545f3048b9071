/** What a command says and hears: lines to standard output, sentences to standard error, lines from standard input. */
import { createInterface, type Interface } from 'node:readline';

export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Shows a line that the next one takes the place of, and `null` none; where nobody looks, nothing. */
  progress?(line: string | null): void;
  /** Waits until somebody presses Enter; at the end of the input it no longer waits. */
  pause(prompt: string): Promise<void>;
  close(): void;
}

/** To the start of the line, of which nothing is left. */
const CLEAR = '\r\u001b[K';

/** The process's own streams. */
export class ProcessTerminal implements Terminal {
  #lines: Interface | null = null;
  #waiting: (() => void) | null = null;
  /** Lines that came before anybody waited for them. */
  #ahead = 0;
  #ended = false;

  constructor() {
    // `ioasim … | head` closes our output: then there is nobody left to tell.
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(0);
    });
  }

  out(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  err(line: string): void {
    process.stderr.write(`ioasim: ${line}\n`);
  }

  progress(line: string | null): void {
    if (process.stderr.isTTY) process.stderr.write(line === null ? CLEAR : `${CLEAR}${line}`);
  }

  pause(prompt: string): Promise<void> {
    this.#listen();
    if (this.#ended) return Promise.resolve();
    if (process.stdin.isTTY) process.stdout.write(prompt);
    if (this.#ahead > 0) {
      this.#ahead--;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  close(): void {
    this.#lines?.close();
  }

  #listen(): void {
    if (this.#lines !== null) return;
    this.#lines = createInterface({ input: process.stdin });
    this.#lines.on('line', () => {
      if (this.#waiting === null) this.#ahead++;
      else this.#wake();
    });
    this.#lines.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.();
  }
}
