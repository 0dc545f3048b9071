/**
 * What has happened to the devices of one context and is not dealt with yet, as the reference model sees it: records in the order
 * of what happened, and groups of page requests, each of which gets one answer, whoever gives it.
 */
import { EINVAL } from '../../../src/uapi/index.ts';
import { NONE } from './facts.ts';
import type { RefDevice } from './files.ts';

/** Records that there is room for (docs/uapi.md); a page request keeps its place until it is answered. */
const PLACES = 256;
const [RECOVERABLE, LAST_PAGE, LOST, PASID_VALID] = [1, 2, 4, 8];
/** As a program answers, and as the device hears it. */
const HEARD: Readonly<Record<number, number>> = { 0: 0, 1: 1, 2: 15 };
export const INVALID = 1;

export interface RefRecord {
  flags: number;
  readonly ioasid: number;
  readonly perm: number;
  readonly page: number;
  /** 0: DMA was blocked. */
  readonly group: number;
  readonly vpasid: number;
  /** Of all devices that look like the one that it was. */
  readonly cookies: readonly bigint[];
}

/** What a device wanted: all pages of a group, or the one of a DMA. */
export interface Wanted {
  readonly device: RefDevice;
  readonly pasid: number;
  readonly pages: readonly number[];
  readonly perm: number;
}

interface Waiting {
  readonly device: RefDevice;
  /** The device's own number of the group. */
  readonly index: number;
  /** Through which slot it came. */
  readonly slot: number;
  readonly requests: number;
  readonly ioasid: number;
  readonly cookie: bigint;
}

export interface Answer {
  readonly ioasid: number;
  readonly group: number;
  readonly code: number;
  /** Of version 2. */
  readonly cookie?: bigint;
}

export class RefFaults {
  unread: RefRecord[] = [];
  readonly waiting = new Map<number, Waiting>();
  #last = 0;
  #isLost = false;
  #isClosed = false;

  /** A DMA was blocked: that is told where its requests are led, if they are led anywhere. */
  blocked(wanted: Wanted): void {
    if (this.#isClosed || slotOf(wanted) === undefined) return;
    if (this.#free < 1) this.#isLost = true;
    else this.#put(wanted, 0, 0);
  }

  /** A device asks for pages: its program is asked, or it is refused. */
  asked(wanted: Wanted, index: number): void {
    const { device, pages } = wanted;
    const slot = slotOf(wanted);
    if (this.#isClosed || slot === undefined || this.#free < pages.length) {
      device.answers.push([index, INVALID]);
      return;
    }
    this.#last++;
    const { ioasid } = placeOf(wanted);
    const { cookie } = device.bound!;
    this.waiting.set(this.#last, { device, index, slot, requests: pages.length, ioasid, cookie });
    this.#put(wanted, RECOVERABLE, this.#last);
  }

  /** So many are read. */
  read(most: number): RefRecord[] {
    return this.unread.splice(0, most);
  }

  /** 0, or the errno of an answer to what nobody has asked, or not so, or not any more. */
  answer({ ioasid, group, code, cookie }: Answer): number {
    const asked = this.waiting.get(group);
    const heard = HEARD[code];
    if (asked === undefined || heard === undefined || asked.ioasid !== ioasid) return -EINVAL;
    if (cookie !== undefined && cookie !== asked.cookie) return -EINVAL;
    this.#answered(group, asked, heard);
    return 0;
  }

  /** A device's requests in a slot go elsewhere now, or were on the way there: what has come by the old way is refused. */
  moved(device: RefDevice, slot: number): void {
    for (const [group, asked] of [...this.waiting]) {
      if (asked.device === device && asked.slot === slot) this.#answered(group, asked, INVALID);
    }
  }

  /** Nobody can read or answer any more. */
  close(): void {
    this.#isClosed = true;
    for (const [group, asked] of [...this.waiting]) this.#answered(group, asked, INVALID);
    this.unread = [];
  }

  get #free(): number {
    const faults = this.unread.filter(({ group }) => group === 0).length;
    return [...this.waiting.values()].reduce((sum, { requests }) => sum - requests, PLACES - faults);
  }

  #answered(group: number, { device, index }: Waiting, code: number): void {
    this.waiting.delete(group);
    this.unread = this.unread.filter((one) => one.group !== group);
    device.answers.push([index, code]);
  }

  #put(wanted: Wanted, flags: number, group: number): void {
    const { device, pages, perm } = wanted;
    const { ioasid, vpasid } = placeOf(wanted);
    const cookies = device.alike.flatMap(({ bound }) => bound?.cookie ?? []);
    for (const [i, page] of pages.entries()) {
      const last = group !== 0 && i === pages.length - 1 ? LAST_PAGE : 0;
      const all = flags | last | (vpasid === undefined ? 0 : PASID_VALID) | (this.#isLost ? LOST : 0);
      this.#isLost = false;
      this.unread.push({ flags: all, ioasid, perm, page, group, vpasid: vpasid ?? 0, cookies });
    }
  }
}

/** The slot by which hardware leads a device's requests; `undefined`: none does. */
function slotOf({ device, pasid }: Wanted): number | undefined {
  if (device.pasidTable !== undefined) return NONE;
  return device.goesTo(pasid) === undefined ? undefined : pasid;
}

/** The space that a program is told, and the PASID where that is the program's own and no space stands for it. */
function placeOf({ device, pasid }: Wanted): { readonly ioasid: number; readonly vpasid?: number } {
  const { pasidTable } = device;
  const space = device.goesTo(pasid) ?? pasidTable!;
  return space.isByPasid && pasid !== NONE ? { ioasid: space.id, vpasid: pasid } : { ioasid: space.id };
}
