/** What a recorded case itself put into memory: every quadword, by its address. */
import type { RecordedCase } from './corpus.ts';

export class CaseMemory extends Map<bigint, bigint> {
  /** Memory as it stands before the first step. */
  constructor({ mem }: RecordedCase) {
    super();
    for (const [at, quadwords] of Object.entries(mem)) this.put(BigInt(at), quadwords);
  }

  put(at: bigint, quadwords: readonly bigint[]): void {
    quadwords.forEach((value, i) => {
      this.set(at + BigInt(i * 8), value);
    });
  }
}
