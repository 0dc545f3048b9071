/** Open files, contexts and devices, as the reference model sees them. */
import type { Facts } from './facts.ts';
import type { RefProcess } from './memory.ts';
import type { RefRegistration, RefSpace, Wanted } from './spaces.ts';
import { RefSpace as Space } from './spaces.ts';

/** An open file description: what forks share. */
export interface RefFile {
  readonly target: RefContext | RefDevice;
  references: number;
}

/** What stands behind a descriptor of /dev/ioasid or /dev/iommu; it outlives it while devices are bound. */
export class RefContext {
  readonly version: 1 | 2;
  readonly spaces = new Map<number, RefSpace>();
  readonly registrations: RefRegistration[] = [];
  readonly devices: RefDevice[] = [];
  isOpen = true;
  readonly #facts: Facts;
  #last = 0;

  constructor(version: 1 | 2, facts: Facts) {
    this.version = version;
    this.#facts = facts;
  }

  add(parent: RefSpace | null, wanted: Wanted): number {
    const id = ++this.#last;
    this.spaces.set(id, new Space(id, parent, wanted, this.#facts));
    return id;
  }

  /** Nobody can use it any more: everything goes. */
  endIfUnused(): void {
    if (this.isOpen || this.devices.length > 0) return;
    this.spaces.clear();
    this.registrations.length = 0;
  }

  attached(space: RefSpace): { readonly device: RefDevice; readonly pasid: number }[] {
    return this.devices.flatMap((device) =>
      [...device.slots].flatMap(([pasid, stack]) => (stack.includes(space) ? [{ device, pasid }] : [])),
    );
  }

  /** Some devices of a group are attached and others are not. */
  isPartial(space: RefSpace): boolean {
    const there = this.attached(space).map(({ device }) => device);
    return there.some(({ group }) => !group.every((device) => there.includes(device)));
  }

  registeredPages(owner: RefProcess): number {
    return this.registrations.filter((one) => one.owner === owner).reduce((sum, { cells }) => sum + cells.length, 0);
  }

  /** Pages that its roots charge a process for: each page once for each root. */
  chargedPages(owner: RefProcess): number {
    const charged = [...this.spaces.values()].map(({ mappings }) => chargedFor(mappings, owner).size);
    return charged.reduce((sum, one) => sum + one, this.registeredPages(owner));
  }
}

export function chargedFor(mappings: RefSpace['mappings'], owner: RefProcess): Set<unknown> {
  const own = mappings.filter((one) => one.owner === owner && one.registrations.length === 0);
  return new Set(own.flatMap(({ cells }) => cells ?? []));
}

/** In place of a PASID: requests without one. */
export const NONE = -1;

export class RefDevice {
  readonly name: string;
  /** Devices that cannot be told apart from it, itself among them. */
  group: readonly RefDevice[] = [this];
  /** Devices whose requests carry the same id, itself among them: the IOMMU takes them for one. */
  alike: readonly RefDevice[] = [this];
  bound: { readonly file: RefFile; readonly context: RefContext; readonly cookie: bigint } | null = null;
  /** Spaces by PASID: one, and those nested on it, the innermost last. */
  readonly slots = new Map<number, RefSpace[]>();
  readonly #facts: Facts;

  constructor(name: string, facts: Facts) {
    this.name = name;
    this.#facts = facts;
  }

  isAttached(space: RefSpace): boolean {
    return [...this.slots.values()].some((stack) => stack.includes(space));
  }

  /** Where requests go: to the innermost space that any device with their id is attached to. `undefined`: nowhere. */
  goesTo(pasid: number): RefSpace | undefined {
    const stacks = this.alike.flatMap((device) => [device.slots.get(pasid) ?? []]);
    return stacks.reduce((longest, stack) => (stack.length > longest.length ? stack : longest), []).at(-1);
  }

  /** Whether the IOMMU could lead requests to a space beside what the device has in other slots: 'yes', or why not. */
  couldGo(pasid: number, space: RefSpace): 'yes' | 'EINVAL' | 'EOPNOTSUPP' {
    const { pasids, pasidBits } = this.#facts;
    if (pasid !== NONE) {
      if (pasids === 'none') return 'EOPNOTSUPP';
      // PASID 0 stands for requests without one.
      if (pasid === 0 || pasid >= 2 ** 20) return 'EINVAL';
      if (pasids !== 'any' && (space.user === null || pasid >= 2 ** pasidBits)) return 'EOPNOTSUPP';
    }
    if (pasids !== 'user tables over one host table') return 'yes';
    const others = [...this.slots].filter(([slot]) => slot !== pasid).map(([, stack]) => stack.at(-1)!);
    const sameHost = others.every((other) => hostOf(other) === hostOf(space));
    const levels = new Set([space, ...others].flatMap(({ user }) => user?.levels ?? []));
    return sameHost && levels.size <= 1 ? 'yes' : 'EOPNOTSUPP';
  }
}

/** The space whose table the kernel keeps, under a user's. */
function hostOf(space: RefSpace): RefSpace | null {
  return space.user === null ? space : space.parent;
}
