/** What one transaction of a device sends over its link, TLP by TLP. */
import type { Tlp } from '../../../../hardware/pcie/index.ts';
import type { LinkConditions } from './conditions.ts';

/** Makes a TLP out of an idle one. */
export type Fill = (tlp: Tlp) => Tlp;

const DEVICE = 0x0100;
const ROOT = 0;

export class Traffic {
  readonly upstream: Fill[] = [];
  readonly downstream: Fill[] = [];
  readonly #conditions: LinkConditions;
  readonly #addressHi: number;

  constructor(conditions: LinkConditions) {
    this.#conditions = conditions;
    // An address above 4 GiB makes the header a word longer.
    this.#addressHi = conditions.addressBits === 64 ? 1 : 0;
  }

  deviceWrites(bytes: number): this {
    return this.#write(this.upstream, DEVICE, bytes);
  }

  /** `withRequests` is false for a read whose requests are not counted. */
  deviceReads(bytes: number, withRequests = true): this {
    if (withRequests) this.#request(this.upstream, DEVICE, bytes);
    return this.#complete(this.downstream, DEVICE, bytes);
  }

  hostWrites(bytes: number): this {
    return this.#write(this.downstream, ROOT, bytes);
  }

  hostReads(bytes: number): this {
    return this.#request(this.downstream, ROOT, bytes).#complete(this.upstream, ROOT, bytes);
  }

  #write(to: Fill[], requester: number, bytes: number): this {
    return this.#cut(bytes, this.#conditions.maxPayload, (length) =>
      to.push((tlp) => tlp.memoryWrite(requester, this.#addressHi, 0, length)),
    );
  }

  #request(to: Fill[], requester: number, bytes: number): this {
    return this.#cut(bytes, this.#conditions.maxReadRequest, (length) =>
      to.push((tlp) => tlp.memoryRead(requester, 0, this.#addressHi, 0, length)),
    );
  }

  #complete(to: Fill[], requester: number, bytes: number): this {
    return this.#cut(bytes, this.#conditions.completion, (length) =>
      to.push((tlp) => tlp.answer(requester, 0, ROOT, 0, length).withData(0, length)),
    );
  }

  #cut(bytes: number, limit: number, each: (length: number) => void): this {
    for (let left = bytes; left > 0; left -= limit) each(Math.min(left, limit));
    return this;
  }
}
