/**
 * Where the DMA of devices goes that drivers inside the kernel have: into one domain for each group. It is made when the
 * first device of the group needs it, and the group is blocked again when the last has been given back.
 *
 * A device that firmware shares memory with is in a domain since boot, with that memory mapped one to one: it stays there, so
 * that there is no gap, and this is its default domain whatever the kernel prefers.
 */
import { type Script, Semaphore } from '../../../hardware/sim/index.ts';
import { EIO, ENOMEM, EOPNOTSUPP } from '../../uapi/index.ts';
import type { DomainOptions, IommuDomain, Translation } from '../iommu/driver.ts';
import { type IommuGroup, mapDirect } from '../iommu/iommu.ts';
import type { PageRun } from '../page-run.ts';
import type { PciDevice } from '../pci/index.ts';
import { DmaSpace, type SpaceServices } from './dma-space.ts';

/** Devices reach what is mapped for them, or all memory as it is. */
export type DefaultDomainType = 'dma' | 'identity';

export interface DefaultDomainServices extends SpaceServices {
  readonly type: DefaultDomainType;
  /** Addresses that lead to registers of devices: where switches pass requests on to a peer, no IOMMU sees them. */
  readonly windows: readonly PageRun[];
}

/** A driver's part in the default domain of its device. */
export interface DomainUser {
  readonly device: PciDevice;
}

interface Users {
  /** For whom the requests were let in. */
  readonly attached: PciDevice;
  readonly all: Set<DomainUser>;
}

export class DefaultDomain {
  readonly #services: DefaultDomainServices;
  readonly #group: IommuGroup;
  /** In the same domain since boot. */
  readonly #kept: PciDevice | null;
  #translation: Translation | null = null;
  #space: DmaSpace | null = null;
  /** Who uses a requester id: bridges make several devices look like one. */
  readonly #users = new Map<number, Users>();
  readonly #turn: Semaphore;

  constructor(services: DefaultDomainServices, group: IommuGroup, kept: PciDevice | null) {
    this.#services = services;
    this.#group = group;
    this.#kept = kept;
    this.#turn = new Semaphore(services.engine, 1, 'the default domain of a group');
    if (kept !== null) this.#adopt(group.kept.get(kept)!.domain!);
  }

  get type(): DefaultDomainType | 'blocked' {
    if (this.#translation === null) return 'blocked';
    return this.#space === null ? 'identity' : 'dma';
  }

  /** `null` where addresses stay as they are. */
  get space(): DmaSpace | null {
    return this.#space;
  }

  /** Lets the requests of a user's device in: 0, or why not; with -EIO they may come in, and `leave` must be called nevertheless. */
  *enter(user: DomainUser, options: DomainOptions): Script<number> {
    yield this.#turn.acquire();
    const result = this.#kept === null ? yield* this.#enter(user, options) : 0;
    this.#turn.release();
    return result;
  }

  /** The user has unmapped all that it had; the last one's device is blocked: 0 or -EIO. */
  *leave(user: DomainUser): Script<number> {
    yield this.#turn.acquire();
    const result = this.#kept === null ? yield* this.#leave(user) : 0;
    this.#turn.release();
    return result;
  }

  *#enter(user: DomainUser, options: DomainOptions): Script<number> {
    const { device } = user;
    const users = this.#users.get(device.requester);
    let result = this.#translation === null ? yield* this.#make(device, options) : 0;
    if (result === 0 && users === undefined) {
      const isRefused = this.#services.faultPoints.refuses('attachment');
      result = isRefused ? -ENOMEM : yield* this.#translation!.attach(device);
    }
    if (result < 0 && result !== -EIO) yield* this.#destroyUnused();
    else if (users !== undefined) users.all.add(user);
    else if (this.#translation !== null) {
      this.#users.set(device.requester, { attached: device, all: new Set([user]) });
    }
    return result;
  }

  *#leave(user: DomainUser): Script<number> {
    const { requester } = user.device;
    const users = this.#users.get(requester);
    // There never was a domain to let it into.
    if (users === undefined) return 0;
    const { attached, all } = users;
    const result = all.size > 1 ? 0 : yield* this.#translation!.detach(attached);
    if (result < 0) return result;
    all.delete(user);
    if (all.size === 0) this.#users.delete(requester);
    yield* this.#destroyUnused();
    return 0;
  }

  *#make(device: PciDevice, options: DomainOptions): Script<number> {
    const { driver } = this.#group;
    const { type, log, faultPoints } = this.#services;
    // Who is let reach what it has translated itself only by a domain's tables needs a domain with tables.
    if (type === 'identity' && options.hostPermissions !== true) {
      const identity = yield* driver.allocateIdentity();
      if (typeof identity !== 'number') this.#translation = identity;
      if (identity !== -EOPNOTSUPP) return typeof identity === 'number' ? identity : 0;
      log.write(`${driver.name}: ${device.address}: no pass-through; its memory is mapped`);
    }
    if (faultPoints.refuses('DMA space')) return -ENOMEM;
    const domain = yield* driver.allocateDomain(options);
    if (typeof domain === 'number') return domain;
    const result = yield* mapDirect(domain, this.#direct());
    if (result === 0) this.#adopt(domain);
    else yield* domain.destroy();
    return result;
  }

  #adopt(domain: IommuDomain): void {
    this.#translation = domain;
    this.#space = new DmaSpace(this.#services, domain, [...this.#services.windows, ...this.#direct()]);
  }

  /** Memory that firmware shares with the devices of this domain. */
  #direct() {
    const { kept } = this.#group;
    const devices =
      this.#kept === null ? [...kept.keys()].filter((one) => kept.get(one)!.domain === null) : [this.#kept];
    return devices.flatMap((device) => kept.get(device)!.memory);
  }

  *#destroyUnused(): Script {
    if (this.#users.size > 0 || this.#translation === null) return;
    yield* this.#translation.destroy();
    this.#translation = null;
    this.#space = null;
  }
}

/** The default domain of each device. */
export class DefaultDomains {
  readonly #services: DefaultDomainServices;
  readonly #domains = new WeakMap<IommuGroup | PciDevice, DefaultDomain>();

  constructor(services: DefaultDomainServices) {
    this.#services = services;
  }

  of(group: IommuGroup, device: PciDevice): DefaultDomain {
    const isKept = (group.kept.get(device)?.domain ?? null) !== null;
    const owner = isKept ? device : group;
    let domain = this.#domains.get(owner);
    if (domain === undefined) {
      domain = new DefaultDomain(this.#services, group, isKept ? device : null);
      this.#domains.set(owner, domain);
    }
    return domain;
  }
}
