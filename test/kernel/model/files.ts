/** Open files, contexts and devices, as the reference model sees them. */
import { type Facts, NONE } from './facts.ts';
import { RefFaults } from './faults.ts';
import type { RefProcess } from './memory.ts';
import { type RefRegistration, RefSpace, type Wanted, type Way } from './spaces.ts';

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
  /** What its program hears of its devices. */
  readonly faults = new RefFaults();
  isOpen = true;
  readonly #facts: Facts;
  #last = 0;

  constructor(version: 1 | 2, facts: Facts) {
    this.version = version;
    this.#facts = facts;
  }

  add(parent: RefSpace | null, wanted: Wanted): number {
    const id = ++this.#last;
    this.spaces.set(id, new RefSpace(id, parent, wanted, this.#facts));
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

export class RefDevice {
  readonly name: string;
  /** Devices that cannot be told apart from it, itself among them. */
  group: readonly RefDevice[] = [this];
  /** Devices whose requests carry the same id, itself among them: the IOMMU takes them for one. */
  alike: readonly RefDevice[] = [this];
  bound: { readonly file: RefFile; readonly context: RefContext; readonly cookie: bigint } | null = null;
  /** Spaces by PASID: one, and those nested on it, the innermost last. */
  readonly slots = new Map<number, RefSpace[]>();
  /** It may ask for pages, and does nothing else. */
  readonly asks: boolean;
  /** What it should have heard: its own number of a group, and the code. */
  readonly answers: (readonly [index: number, code: number])[] = [];

  constructor(name: string, asks: boolean) {
    this.name = name;
    this.asks = asks;
  }

  isAttached(space: RefSpace): boolean {
    return [...this.slots.values()].some((stack) => stack.includes(space));
  }

  /** The innermost space that any device with the same id is attached to in a slot. `undefined`: none. */
  goesTo(pasid: number): RefSpace | undefined {
    const stacks = this.alike.flatMap((device) => [device.slots.get(pasid) ?? []]);
    return stacks.reduce((longest, stack) => (stack.length > longest.length ? stack : longest), []).at(-1);
  }

  /** The table by which a program itself says where requests with PASIDs go: no slot with a PASID leads any then. */
  get pasidTable(): RefSpace | undefined {
    const space = this.goesTo(NONE);
    return space?.isByPasid === true ? space : undefined;
  }

  /** What requests go through. `undefined`: nowhere. */
  way(pasid: number): Way | undefined {
    return (this.pasidTable ?? this.goesTo(pasid))?.way(pasid);
  }

  get hasPasids(): boolean {
    return [...this.slots.keys()].some((slot) => slot !== NONE);
  }
}
