/** Choices that random numbers make when it is known what there is to choose from: most of them mean something. */
import { type RefContext, RefDevice, type RefFile } from './files.ts';
import type { RefSpace } from './spaces.ts';
import type { Live } from './world.ts';

/** Choices of one step, one after the other. */
export class Draw {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(n: number): number {
    return this.#numbers[this.#next++ % this.#numbers.length]! % n;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** Once in so many times. */
  rarely(n: number): boolean {
    return this.below(n) === n - 1;
  }
}

export type Kind = 'context' | 'version 1' | 'device' | 'bound device';

/** A descriptor of a kind, or now and then one that nobody has opened. */
export function fdOf({ ref }: Live, kind: Kind, draw: Draw): number | undefined {
  if (draw.rarely(40)) return draw.of([-1, 15, 2 ** 31 - 1].filter((fd) => !ref.files.has(fd)));
  const all = [...ref.files];
  const bound = all.filter(([, file]) => file.target instanceof RefDevice && file.target.bound?.file === file);
  const isOfKind = ({ target }: RefFile) =>
    target instanceof RefDevice
      ? kind === 'device' || kind === 'bound device'
      : kind === 'context' || (kind === 'version 1' && target.version === 1);
  const meant = kind === 'bound device' && bound.length > 0 && !draw.rarely(10);
  const fds = meant ? bound : all.filter(([, file]) => isOfKind(file));
  return fds.length === 0 ? undefined : draw.of(fds)[0];
}

/** A space of a context, or now and then none; `of` says which are meant. */
export function idOf(context: RefContext | undefined, draw: Draw, of: (one: RefSpace) => boolean = () => true): number {
  const all = [...(context?.spaces.values() ?? [])];
  if (all.length === 0 || draw.rarely(20)) return draw.of([0, 1, 77, 2 ** 32 - 1]);
  const meant = all.filter(of);
  const some = meant.length === 0 || draw.rarely(10) ? all : meant;
  // What was made last is of most use.
  return (draw.below(2) === 0 ? some.at(-1)! : draw.of(some)).id;
}

/** The descriptor that stands for a context, or now and then another. */
export function again({ ref }: Live, context: RefContext | undefined, draw: Draw): number {
  const fds = [...ref.files].filter(([, { target }]) => target === context).map(([fd]) => fd);
  return fds.length === 0 || draw.rarely(20) ? draw.of([0, 1, 2, 3]) : fds[0]!;
}

/** Memory of a process: whole areas, or a part. */
export function rangeOf({ ref }: Live, draw: Draw): { first: number; pages: number } {
  const area = ref.areas.length === 0 ? { first: 1, pages: 1 } : draw.of(ref.areas);
  if (draw.below(2) === 0) return area;
  return { first: area.first + draw.below(area.pages + 2), pages: 1 + draw.below(4) };
}

/** What is right, or now and then what is not. */
export function badOr<T>(draw: Draw, good: T, ...bad: readonly T[]): T {
  return draw.rarely(30) ? draw.of(bad) : good;
}
