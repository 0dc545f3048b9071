/**
 * Decodes a DMAR table (VT-d chapter 8) into plain words. The bytes are firmware's and may be anything: whatever cannot
 * be right makes the whole table unusable, as one sentence, because nobody knows where its next structure begins.
 */

import { TABLE_HEADER } from '../../../hardware/acpi/spec.ts';
import type { AnyLayout } from '../../../hardware/bits/index.ts';
import {
  ANDD,
  ATSR,
  DEVICE_SCOPE,
  type DeviceScope,
  DMAR,
  type DmarStructure,
  type DmarTable,
  DRHD,
  HOP_BYTES,
  type Hop,
  REMAPPING_HEADER,
  RemappingStructure,
  RHSA,
  RMRR,
  SATC,
  SCOPE_BYTES,
  SIDP,
} from '../../../hardware/vtd/spec/dmar.ts';
import { fieldsAt } from './bytes.ts';

const START = (TABLE_HEADER.$.bits + DMAR.$.bits) / 8;
const HEADER_BYTES = REMAPPING_HEADER.$.bits / 8;

/** A DMAR table whose header is known to be sound; or what is wrong with the rest. */
export function decodeDmar(bytes: Uint8Array): DmarTable | string {
  if (bytes.length < START) return `the DMAR table has only ${bytes.length} bytes`;
  const head = fieldsAt(DMAR, bytes, TABLE_HEADER.$.bits / 8);
  const structures: DmarStructure[] = [];
  for (let at = START; at < bytes.length; ) {
    const left = bytes.length - at;
    const length = left < HEADER_BYTES ? 0 : Number(fieldsAt(REMAPPING_HEADER, bytes, at).LENGTH);
    if (length < HEADER_BYTES || length > left) {
      return `the DMAR table has a structure at byte ${at} whose length cannot be`;
    }
    const structure = structureOf(bytes.subarray(at, at + length));
    if (structure === undefined) return `the DMAR table has a structure at byte ${at} that is damaged`;
    structures.push(structure);
    at += length;
  }
  return {
    hostAddressWidth: Number(head.HAW) + 1,
    interruptRemapping: head.INTR_REMAP !== 0n,
    x2apicOptOut: head.X2APIC_OPT_OUT !== 0n,
    dmaControlOptIn: head.DMA_CTRL_PLATFORM_OPT_IN !== 0n,
    structures,
  };
}

type Decode = (bytes: Uint8Array) => DmarStructure | undefined;

const DECODERS: ReadonlyMap<number, readonly [AnyLayout, Decode]> = new Map([
  [RemappingStructure.DRHD, [DRHD, drhd]],
  [RemappingStructure.RMRR, [RMRR, rmrr]],
  [RemappingStructure.ATSR, [ATSR, atsr]],
  [RemappingStructure.RHSA, [RHSA, rhsa]],
  [RemappingStructure.ANDD, [ANDD, andd]],
  [RemappingStructure.SATC, [SATC, satc]],
  [RemappingStructure.SIDP, [SIDP, sidp]],
]);

/** `bytes` are those of one structure. `undefined` when they are too few or its device scopes do not fit. */
function structureOf(bytes: Uint8Array): DmarStructure | undefined {
  const code = Number(fieldsAt(REMAPPING_HEADER, bytes, 0).TYPE);
  const known = DECODERS.get(code);
  if (known === undefined) return { type: 'other', code, body: [...bytes.subarray(HEADER_BYTES)] };
  const [of, decodeOne] = known;
  return bytes.length < of.$.bits / 8 ? undefined : decodeOne(bytes);
}

function drhd(bytes: Uint8Array): DmarStructure | undefined {
  const { INCLUDE_PCI_ALL, SIZE, SEGMENT, BASE } = fieldsAt(DRHD, bytes, 0);
  const scope = scopesIn(bytes, DRHD);
  const includePciAll = INCLUDE_PCI_ALL !== 0n;
  return scope && { type: 'DRHD', includePciAll, size: Number(SIZE), segment: Number(SEGMENT), base: BASE, scope };
}

function rmrr(bytes: Uint8Array): DmarStructure | undefined {
  const { SEGMENT, BASE, LIMIT } = fieldsAt(RMRR, bytes, 0);
  const scope = scopesIn(bytes, RMRR);
  return scope && { type: 'RMRR', segment: Number(SEGMENT), base: BASE, limit: LIMIT, scope };
}

function atsr(bytes: Uint8Array): DmarStructure | undefined {
  const { ALL_PORTS, SEGMENT } = fieldsAt(ATSR, bytes, 0);
  const scope = scopesIn(bytes, ATSR);
  return scope && { type: 'ATSR', allPorts: ALL_PORTS !== 0n, segment: Number(SEGMENT), scope };
}

function rhsa(bytes: Uint8Array): DmarStructure {
  const { BASE, PROXIMITY } = fieldsAt(RHSA, bytes, 0);
  return { type: 'RHSA', base: BASE, proximity: Number(PROXIMITY) };
}

function andd(bytes: Uint8Array): DmarStructure | undefined {
  const name = bytes.subarray(ANDD.$.bits / 8);
  const end = name.indexOf(0);
  if (end < 0) return undefined;
  const { DEVICE_NUMBER } = fieldsAt(ANDD, bytes, 0);
  return { type: 'ANDD', deviceNumber: Number(DEVICE_NUMBER), name: String.fromCharCode(...name.subarray(0, end)) };
}

function satc(bytes: Uint8Array): DmarStructure | undefined {
  const { ATC_REQUIRED, SEGMENT } = fieldsAt(SATC, bytes, 0);
  const scope = scopesIn(bytes, SATC);
  return scope && { type: 'SATC', atcRequired: ATC_REQUIRED !== 0n, segment: Number(SEGMENT), scope };
}

function sidp(bytes: Uint8Array): DmarStructure | undefined {
  const scope = scopesIn(bytes, SIDP, true);
  return scope && { type: 'SIDP', segment: Number(fieldsAt(SIDP, bytes, 0).SEGMENT), scope };
}

/** The device scopes that fill a structure from the end of its layout on; `undefined` when they do not. */
function scopesIn(bytes: Uint8Array, after: AnyLayout, withLimits = false): DeviceScope[] | undefined {
  const scopes: DeviceScope[] = [];
  const smallest = DEVICE_SCOPE.$.bits / 8;
  for (let at = after.$.bits / 8; at < bytes.length; ) {
    if (bytes.length - at < smallest) return undefined;
    const fields = fieldsAt(DEVICE_SCOPE, bytes, at);
    const length = Number(fields.LENGTH);
    if (length < smallest || length > bytes.length - at || (length - SCOPE_BYTES) % HOP_BYTES !== 0) return undefined;
    const scope = {
      type: Number(fields.TYPE),
      enumerationId: Number(fields.ENUMERATION_ID),
      startBus: Number(fields.START_BUS),
      path: hopsOf(bytes.subarray(at + SCOPE_BYTES, at + length)),
    };
    scopes.push(withLimits ? { ...scope, ...limitsOf(fields) } : scope);
    at += length;
  }
  return scopes;
}

function hopsOf(bytes: Uint8Array): Hop[] {
  return Array.from({ length: bytes.length / HOP_BYTES }, (_, i) => [bytes[i * 2]!, bytes[i * 2 + 1]!]);
}

function limitsOf(fields: ReturnType<typeof fieldsAt<typeof DEVICE_SCOPE>>) {
  return {
    nestedNotAllowed: fields.NESTED_NOT_ALLOWED !== 0n,
    pwsnpNotAllowed: fields.PWSNP_NOT_ALLOWED !== 0n,
    snpNotAllowed: fields.SNP_NOT_ALLOWED !== 0n,
    atcHardened: fields.ATC_HARDENED !== 0n,
    atcRequired: fields.ATC_REQUIRED !== 0n,
  };
}
