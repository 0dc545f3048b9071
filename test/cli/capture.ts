import { main } from '../../src/cli/main.ts';
import type { Terminal } from '../../src/cli/terminal.ts';

/** What one command line said and how it ended. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** How often it waited for somebody to press Enter. */
  readonly pauses: number;
}

/** Runs `ioasim` in this process. */
export async function ioasim(...args: string[]): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  let pauses = 0;
  const terminal: Terminal = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    pause: async () => void pauses++,
    close: () => {},
  };
  const code = await main(args, terminal);
  return { code, out: out.join('\n'), err: err.join('\n'), pauses };
}
