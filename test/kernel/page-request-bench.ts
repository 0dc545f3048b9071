/** A device that may ask for pages under either vendor's driver, what it asks, and the answers that it gets. */
import { expect } from 'vitest';
import { PAGE_SIZE } from '../../hardware/bits/index.ts';
import type { DeviceMessage } from '../../hardware/iommu/index.ts';
import type { PciDevice } from '../../src/kernel/pci/index.ts';
import type { MachineBench } from './machine-bench.ts';
import { behind } from './scalable-bench.ts';

export const AT = 0x40_0000;
export const IOVA_PAGE = AT / PAGE_SIZE;
/** Codes of a response. */
export const SUCCESS = 0;
export const INVALID = 1;

export interface Ask {
  readonly pasid?: number;
  readonly address?: number;
  readonly group?: number;
  readonly last?: boolean;
  readonly read?: boolean;
  readonly write?: boolean;
  readonly execute?: boolean;
  readonly privileged?: boolean;
  readonly hi?: number;
}

/** How a device asks for pages: to read the one at AT under this PASID, if a test does not say otherwise. */
export function requestsUnder(pasid: number) {
  const usual = { pasid, group: 1, last: true, read: true, write: false, execute: false, privileged: false };
  return (bench: MachineBench, { rid: requester }: PciDevice, { address = AT, ...rest }: Ask = {}): void => {
    bench.unit.requestPage({ requester, hi: 0, lo: address, ...usual, ...rest });
  };
}

/** The bench with a device that may ask for pages, and the answers that it gets. */
export function withPageRequests<B extends MachineBench>(bench: B) {
  const { driver, devices } = behind(bench);
  const device = devices[0]!;
  expect(driver.prepare(device, { deviceTlb: true, pageRequests: true })).toBe(0);
  const answers: (readonly [group: number, code: number, pasid: number | undefined])[] = [];
  bench.unit.devices.taker = (message: DeviceMessage) => {
    if (message.kind === 'page group response') answers.push([message.group, message.code, message.pasid]);
  };
  return { bench, driver, device, answers };
}
