/** Faults on both sides: devices ask for pages, programs read what has happened and answer, and each request is answered once. */
import { PAGE_SIZE } from '../../../hardware/bits/index.ts';
import { ns, type Script } from '../../../hardware/sim/index.ts';
import {
  EBADF,
  EINVAL,
  formatResult,
  IOASID_FAULT,
  IOASID_PAGE_RESPONSE,
  IOMMU_FAULT,
  IOMMU_PAGE_RESPONSE,
} from '../../../src/uapi/index.ts';
import { type Answer, INVALID, type RefRecord } from './faults.ts';
import type { RefDevice } from './files.ts';
import { versionOf } from './space-calls.ts';
import type { Live, World } from './world.ts';

/** A device asks for some pages together. */
export interface Ask {
  readonly device: RefDevice;
  readonly pasid: number;
  readonly pages: readonly number[];
  readonly read: boolean;
  readonly write: boolean;
}

/** Until everybody has dealt with it who does so without being asked. */
const A_WHILE = ns(100_000);
const NAMES = 512;

export function* ask(world: World, { device, pasid, pages, read, write }: Ask): Script {
  const index = world.nextGroup % NAMES;
  const { requester } = world.functions[world.devices.indexOf(device)]!;
  const rights = { read, write, execute: false, privileged: false };
  for (const [i, page] of pages.entries()) {
    const address = { hi: Math.floor(page / 2 ** 20), lo: (page * PAGE_SIZE) | 0 };
    const last = i === pages.length - 1;
    world.bench.unit.requestPage({ requester, pasid, ...address, ...rights, last, group: index });
  }
  world.story.push(`${device.name} asks for ${pages.length} pages with PASID ${pasid} as group ${index}`);
  const perm = (read ? 1 : 0) | (write ? 2 : 0);
  if (device.bound === null) device.answers.push([index, INVALID]);
  else device.bound.context.faults.asked({ device, pasid, pages, perm }, index);
  yield A_WHILE;
}

/** Reads so many records, and compares each. */
export function* readFaults(world: World, live: Live, fd: number, places: number): Script {
  const { ref, program } = live;
  const context = world.contextOf(live, fd);
  const struct = versionOf(world, live, fd) === 1 ? IOASID_FAULT : IOMMU_FAULT;
  const read = yield* program.readFile(fd, places * struct.bytes);
  const wanted = context === undefined ? -EBADF : places === 0 ? -EINVAL : context.faults.read(places);
  const isRefused = typeof wanted === 'number';
  const size = isRefused ? wanted : wanted.length * struct.bytes;
  world.same(`${ref.name}: read(${fd}, ${places} records)`, typeof read === 'number' ? read : read.length, size);
  if (isRefused || typeof read === 'number') return;
  for (const [i, record] of wanted.entries()) {
    const bytes = read.subarray(i * struct.bytes);
    const one =
      context!.version === 1 ? { ...IOASID_FAULT.decode(bytes), dev_cookie: null } : IOMMU_FAULT.decode(bytes);
    const found = { ...one, page: Number(one.addr) / PAGE_SIZE };
    if (!isSame(found, record)) world.fail(`${ref.name} reads ${said(found)}, not ${said(record)}`);
  }
}

type Found = Omit<RefRecord, 'cookies'> & { readonly dev_cookie: bigint | null };

function isSame(found: Found, { cookies, ...record }: RefRecord): boolean {
  const names = ['flags', 'ioasid', 'perm', 'page', 'group', 'vpasid'] as const;
  const isHis = found.dev_cookie === null || cookies.includes(found.dev_cookie);
  return isHis && names.every((name) => Math.floor(found[name]) === record[name]);
}

function said(one: object): string {
  return JSON.stringify(one, (_, value: unknown) => (typeof value === 'bigint' ? formatResult(value) : value));
}

/** Writes answers, the first of which that is refused ends it. */
export function* respond(world: World, live: Live, fd: number, answers: readonly Answer[]): Script {
  const { ref, program } = live;
  const context = world.contextOf(live, fd);
  const version = versionOf(world, live, fd);
  const { bytes: size } = version === 1 ? IOASID_PAGE_RESPONSE : IOMMU_PAGE_RESPONSE;
  const bytes = new Uint8Array(answers.length * size);
  let wanted = context === undefined ? -EBADF : answers.length === 0 ? -EINVAL : 0;
  for (const [i, { cookie = 0n, ...answer }] of answers.entries()) {
    const response = { ...answer, flags: 0 };
    const one =
      version === 1
        ? IOASID_PAGE_RESPONSE.encode(response)
        : IOMMU_PAGE_RESPONSE.encode({ ...response, dev_cookie: cookie });
    bytes.set(one, i * size);
    if (wanted !== i * size || context === undefined) continue;
    const result = context.faults.answer(version === 1 ? answer : { ...answer, cookie });
    if (result === 0) wanted += size;
    else if (i === 0) wanted = result;
  }
  const what = answers.map(({ group, code }) => `${group}: ${code}`).join(', ');
  world.same(`${ref.name}: write(${fd}, answers ${what})`, yield* program.writeFile(fd, bytes), wanted);
}

/** Every page request has got the answer that it should have, once. */
export function checkAnswers(world: World): void {
  const { heard } = world;
  const wanted = world.devices.flatMap(({ answers }) => answers.splice(0));
  const list = (answers: readonly (readonly [number, number])[]) =>
    answers
      .map(([index, code]) => `${index}: ${code}`)
      .sort()
      .join(', ');
  if (list(heard) !== list(wanted)) world.fail(`devices are answered [${list(heard)}], not [${list(wanted)}]`);
  heard.length = 0;
}
