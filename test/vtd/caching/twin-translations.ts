/** IOTLB entries as the twin sees them: for each place everything that hardware may still hold. */
import { inRange } from '../../caching/radix.ts';
import type { FirstCommand, IotlbCommand } from './commands.ts';
import type { Place } from './requests.ts';
import type { Result } from './twin-walks.ts';
import { Kind, type Space } from './world.ts';

/** How a look-up or walk ends for one place, before anybody asks what is wanted there. */
export interface Answer {
  readonly result: Result;
  /** A qualified fault is not recorded. */
  readonly fpd: boolean;
  /** The outcome for a translation request that the context entry does not let in, or 0. */
  readonly refusal: number;
  /** Acts with privilege, and nothing is write-protected for it. */
  readonly unprotected: boolean;
}

interface Cached extends Answer {
  readonly did: number;
  readonly pasid: number;
  readonly kind: number;
}

export class TwinTranslations {
  readonly #all = new Map<Place, Cached[]>();

  of(place: Place): readonly Answer[] {
    return this.#all.get(place) ?? [];
  }

  keep(place: Place, { did, kind }: Space, pasid: number, answer: Answer): void {
    const cached = this.#all.get(place) ?? [];
    if (cached.length === 0) this.#all.set(place, cached);
    const isOld = cached.some(
      (one) => one.did === did && one.pasid === pasid && one.kind === kind && isSame(one, answer),
    );
    if (!isOld) cached.push({ ...answer, did, kind, pasid });
  }

  flushIotlb(command: IotlbCommand): void {
    if (command.by === 'global') {
      this.#all.clear();
      return;
    }
    const { did } = command;
    this.#remove(
      (one, address) => one.did === did && (command.by === 'domain' || usesFirst(one) || inRange(command, address)),
    );
  }

  flushFirst(command: FirstCommand): void {
    const isOwn = (one: Cached): boolean => one.did === command.did && one.pasid === command.pasid;
    if (command.by === 'pasid') this.#remove(isOwn);
    else this.#remove((one, address) => isOwn(one) && usesFirst(one) && inRange(command, address));
  }

  #remove(which: (one: Cached, address: number) => boolean): void {
    for (const [place, cached] of this.#all) {
      const kept = cached.filter((one) => !which(one, place.address));
      if (kept.length < cached.length) this.#all.set(place, kept);
    }
  }
}

function isSame(one: Answer, other: Answer): boolean {
  const [a, b] = [one.result, other.result];
  if (one.unprotected !== other.unprotected || one.refusal !== other.refusal || one.fpd !== other.fpd) return false;
  return a.hpa === b.hpa && a.rights === b.rights && a.unprotected === b.unprotected && a.fault === b.fault;
}

function usesFirst({ kind }: Cached): boolean {
  return kind === Kind.FIRST || kind === Kind.NESTED;
}
