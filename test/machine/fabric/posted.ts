/** What is posted, from its sender to where it arrives: once each, and in order unless an attribute lets it pass. */
import { Attribute, NO_PASID, type Tlp, TlpKind } from '../../../hardware/pcie/index.ts';
import { writerOf } from './bytes.ts';
import type { Clock } from './clocks.ts';
import type { Site } from './layout.ts';
import { writerOfMessage } from './messages.ts';
import type { Turn } from './routes.ts';

export const INTERRUPTS = 0xfee0_0000;

/** A TLP that takes data to somebody. A deferrable write is one, although it is not posted. */
export interface Piece {
  readonly writer: number;
  /** The number of who sent it. */
  readonly source: number;
  readonly target: Site | null;
  readonly kind: number;
  readonly address: number;
  readonly length: number;
  readonly attributes: number;
  readonly pasid: number;
  /** Null for what never arrives. */
  readonly turn: Turn | null;
  /** Of what is posted to the host. */
  readonly number: number;
  /** What it pushes. */
  readonly clock: Clock | null;
  /** Rises with each piece of the fabric. */
  readonly serial: number;
  arrived: boolean;
}

export function addressOf({ addressHi, addressLo }: Tlp): number {
  return (addressHi >>> 0) * 2 ** 32 + (addressLo >>> 0);
}

/** Without attributes that let it pass what was posted before; a read cannot be relaxed in that. */
export function isStrict({ kind, attributes }: { readonly kind: number; readonly attributes: number }): boolean {
  const weak =
    kind === TlpKind.MEMORY_READ ? Attribute.ID_ORDERING : Attribute.ID_ORDERING | Attribute.RELAXED_ORDERING;
  return (attributes & weak) === 0;
}

/** Whether a later TLP of the same sender may pass what it posted: rows A to C, column 2. */
export function mayPassOwn(later: Pick<Piece, 'kind' | 'attributes' | 'pasid'>, earlier: Piece): boolean {
  if (isStrict(later)) return false;
  const isRelaxed = later.kind !== TlpKind.MEMORY_READ && (later.attributes & Attribute.RELAXED_ORDERING) !== 0;
  const areStrangers = later.pasid !== NO_PASID && earlier.pasid !== NO_PASID && later.pasid !== earlier.pasid;
  return isRelaxed || ((later.attributes & Attribute.ID_ORDERING) !== 0 && areStrangers);
}

/** Who has written what a TLP carries. */
export function writerIn(tlp: Tlp): number {
  if (tlp.isMessage) return writerOfMessage(tlp);
  const address = addressOf(tlp);
  return address === INTERRUPTS ? tlp.data![0]! : writerOf(tlp.data![0]!, address);
}

/** Pieces that have not arrived, oldest first, by their way from one to the other. */
export class Underway {
  readonly #ways = new Map<Site | null, Map<number, Piece[]>>();

  add(piece: Piece): void {
    this.#way(piece.source, piece.target).push(piece);
  }

  /** Posted by `source` to `target` by this way. */
  posted(source: number, target: Site | null, turn: Turn | null): Piece[] {
    return this.#way(source, target).filter((piece) => piece.turn === turn && piece.kind !== TlpKind.DEFERRABLE_WRITE);
  }

  /** Takes the oldest piece of any source that is for `target` and fits. */
  take(target: Site | null, fits: (piece: Piece) => boolean): Piece | null {
    for (const pieces of this.#ways.get(target)?.values() ?? []) {
      const at = pieces.findIndex((piece) => piece.turn !== null && fits(piece));
      if (at >= 0) return pieces.splice(at, 1)[0]!;
    }
    return null;
  }

  /** Everything that should have arrived. */
  get missing(): Piece[] {
    const all = [...this.#ways.values()].flatMap((ways) => [...ways.values()].flat());
    return all.filter(({ turn }) => turn !== null);
  }

  #way(source: number, target: Site | null): Piece[] {
    const ways = this.#ways.get(target) ?? new Map<number, Piece[]>();
    this.#ways.set(target, ways);
    const way = ways.get(source) ?? [];
    ways.set(source, way);
    return way;
  }
}
