/** What each receiver holds, counted beside the models: from when a TLP is sent until its credits are on their way back. */
import { CREDIT_TYPES, type Link, type LinkEnd, type Tlp, TlpKind } from '../../../hardware/pcie/index.ts';
import { CREDIT_BYTES } from '../../../hardware/pcie/spec/index.ts';

/** By CREDIT_TYPES: headers and data of three classes. */
type Counts = number[];

export class CreditLedger {
  readonly #complain: (what: string) => void;
  readonly #held = new Map<Link, Map<string, Counts>>();
  /** TLPs that somebody has received or that are under way. */
  tlps = 0;

  constructor(links: readonly Link[], complain: (what: string) => void) {
    this.#complain = complain;
    for (const link of links) {
      this.#watch(link, 'upstream', link.top);
      this.#watch(link, 'downstream', link.bottom);
    }
  }

  sent(link: Link, direction: string, tlp: Tlp): void {
    const held = this.#add(link, direction, tlp, 1);
    CREDIT_TYPES.forEach((type, i) => {
      const limit = link.spec.credits[type] ?? Infinity;
      if (held[i]! > limit) this.#complain(`${link.name} ${direction} holds ${held[i]} ${type} of ${limit}`);
    });
  }

  /** Everything is over: nobody holds anything, and each sender has all credits for data. */
  finish(links: readonly Link[]): void {
    for (const link of links) {
      for (const [direction, held] of this.#held.get(link) ?? []) {
        if (held.some((count) => count !== 0))
          this.#complain(`${link.name} ${direction} still holds ${held.join(' ')}`);
      }
      if (![link.top, link.bottom].every((end) => hasAll(link, end))) this.#complain(`${link.name} lacks credits`);
    }
  }

  #watch(link: Link, direction: string, receiver: LinkEnd): void {
    const forward = receiver.forward.bind(receiver);
    receiver.forward = (tlp) => {
      this.#add(link, direction, tlp, -1);
      forward(tlp);
    };
  }

  #add(link: Link, direction: string, tlp: Tlp, sign: number): Counts {
    const directions = this.#held.get(link) ?? new Map<string, Counts>();
    this.#held.set(link, directions);
    const held = directions.get(direction) ?? [0, 0, 0, 0, 0, 0];
    const first = classOf(tlp.kind) * 2;
    held[first]! += sign;
    held[first + 1]! += sign * unitsOf(tlp);
    directions.set(direction, held);
    this.tlps += sign;
    return held;
  }
}

function classOf(kind: number): number {
  if (kind === TlpKind.COMPLETION || kind === TlpKind.COMPLETION_DATA) return 2;
  const isPosted = kind === TlpKind.MEMORY_WRITE || kind === TlpKind.MESSAGE || kind === TlpKind.MESSAGE_DATA;
  return isPosted ? 0 : 1;
}

/** Units of 16 bytes of the words that the data touch. */
function unitsOf({ data, addressLo, length, kind }: Tlp): number {
  if (data === null) return 0;
  const before = kind === TlpKind.MESSAGE_DATA ? 0 : addressLo & 3;
  return Math.ceil(Math.max(Math.ceil((before + length) / 4), 1) / 4);
}

/** A TLP that needs all data credits of a class can be sent. */
function hasAll({ spec: { credits } }: Link, end: LinkEnd): boolean {
  const tlp = end.take();
  const { PD, NPD, CPLD } = credits;
  const fits = [
    PD == null || end.canSend(tlp.memoryWrite(0, 0, 0, PD * CREDIT_BYTES)),
    NPD == null || end.canSend(tlp.atomic(TlpKind.SWAP, 0, 0, 0, 0, NPD * CREDIT_BYTES)),
    CPLD == null || end.canSend(tlp.answer(0, 0, 0, 0, 0).withData(0, CPLD * CREDIT_BYTES)),
  ];
  end.give(tlp);
  return fits.every((fit) => fit);
}
