/** Who may have which MSI-X vector, by which name. */
import type { RegisterFile } from '../../bits/index.ts';
import { type AcceleratorSpec, vectorsOf } from './model.ts';
import { MSIXPERM, MSIXPERM_BYTES, Table } from './spec/index.ts';
import type { Submission } from './submission.ts';

const NONE = -1;

export class Interrupts {
  readonly vectors: number;
  readonly #registers: RegisterFile;
  /** Vector of each handle; null where handles are entries of the MSI-X table. */
  readonly #handles: number[] | null;

  constructor(registers: RegisterFile, spec: AcceleratorSpec) {
    this.vectors = vectorsOf(spec);
    this.#registers = registers;
    this.#handles = spec.interruptHandles ? new Array<number>(this.vectors).fill(NONE) : null;
  }

  /** A handle for a vector, -1 when there is none left. */
  request(vector: number): number {
    const handle = this.#handles?.indexOf(NONE) ?? NONE;
    if (handle >= 0) this.#handles![handle] = vector;
    return handle;
  }

  /** False when there is no such handle. */
  release(handle: number): boolean {
    if ((this.#handles?.[handle] ?? NONE) === NONE) return false;
    this.#handles![handle] = NONE;
    return true;
  }

  /** The vector that a submission may have by this name, -1 if it may have none. */
  vectorFor({ pasid, viaIms }: Submission, handle: number): number {
    const vector = this.#handles === null ? handle : (this.#handles[handle] ?? NONE);
    if (viaIms || vector < 0 || vector >= this.vectors) return NONE;
    const { words } = this.#registers;
    const at = (Table.MSIXPERM + vector * MSIXPERM_BYTES) / 4;
    if (MSIXPERM.IGNORE.isSet(words, at)) return vector;
    const wanted = MSIXPERM.PASID_EN.isSet(words, at) ? MSIXPERM.PASID.get(words, at) : undefined;
    return wanted === pasid ? vector : NONE;
  }

  reset(): void {
    this.#handles?.fill(NONE);
  }
}
