/**
 * What leaves the root complex by a port on behalf of something that has arrived: the TLP itself, on its way to another
 * device, or the last completion of a request. Until that has gone, what has arrived keeps its credit.
 *
 * Offers: `forward` and `endAfter`; `left`, to be told of each TLP that goes. Tells its owner when a transaction is over.
 */
import type { Inbound } from './inbound.ts';
import type { RootPort } from './root-port.ts';
import { AddressType } from './spec/index.ts';
import { CreditClass, type Tlp } from './tlp.ts';

export interface DepartureObserver {
  /** The transaction is over, and its TLP is still here. */
  ended(inbound: Inbound): void;
  /** A read or completion has gone on to another device. */
  passedOn(inbound: Inbound): void;
  /** A posted request has; `atOnce` in the eyes of who goes on with its port. */
  finished(inbound: Inbound, atOnce: boolean): void;
}

export class Departures {
  readonly #observer: DepartureObserver;
  /** By TLPs that wait at a port: what goes on there itself, or is answered by that. */
  readonly #waiting = new Map<Tlp, Inbound>();
  #leaving: Inbound | null = null;

  constructor(observer: DepartureObserver) {
    this.#observer = observer;
  }

  /** Sends a TLP on to another device, at the address that the agent has found. */
  forward(inbound: Inbound, peer: RootPort): void {
    const { tlp, request } = inbound;
    if (tlp.isMemoryRequest) {
      tlp.addressHi = request.hpaHi;
      tlp.addressLo = request.hpaLo;
      tlp.addressType = AddressType.UNTRANSLATED;
    }
    inbound.gone = true;
    this.#waiting.set(tlp, inbound);
    this.#leaving = inbound;
    peer.push(tlp);
    this.#leaving = null;
  }

  /** The request keeps its credit until the last completion has left: so nobody is owed more than what fits his credits. */
  endAfter(inbound: Inbound, last: Tlp): void {
    if (inbound.port.holds(last)) this.#waiting.set(last, inbound);
    else this.#observer.ended(inbound);
  }

  /** A TLP of another port, or an answer, has gone down. */
  left(tlp: Tlp): void {
    const inbound = this.#waiting.get(tlp);
    if (inbound === undefined) return;
    this.#waiting.delete(tlp);
    if (!inbound.gone) {
      this.#observer.ended(inbound);
      return;
    }
    inbound.port.end.forward(tlp);
    if (tlp.creditClass === CreditClass.POSTED) this.#observer.finished(inbound, inbound === this.#leaving);
    else this.#observer.passedOn(inbound);
  }

  reset(): void {
    this.#waiting.clear();
  }
}
