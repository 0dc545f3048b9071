/**
 * Builds the DMAR table from plain words: VT-d chapter 8. The structures may come in any order; the table has them in
 * that of their types, and the unit of all remaining devices (INCLUDE_PCI_ALL) last of its segment.
 */
import type { AnyLayout, Values } from '../../../hardware/bits/index.ts';
import {
  ANDD,
  ATSR,
  DEVICE_SCOPE,
  type DeviceScope,
  DMAR,
  DMAR_REVISION,
  DMAR_SIGNATURE,
  type DmarStructure,
  type DmarTable,
  DRHD,
  HOP_BYTES,
  REMAPPING_HEADER,
  RemappingStructure,
  RHSA,
  RMRR,
  SATC,
  SCOPE_BYTES,
  SIDP,
} from '../../../hardware/vtd/spec/dmar.ts';
import { bytesOf, exactBytesOf } from './bytes.ts';
import { buildTable } from './table.ts';

/** The table's bytes. Throws a RangeError for what its fields cannot hold. */
export function buildDmar(table: DmarTable): number[] {
  const { hostAddressWidth, interruptRemapping, x2apicOptOut, dmaControlOptIn } = table;
  const head = bytesOf(DMAR, {
    HAW: hostAddressWidth - 1,
    INTR_REMAP: Number(interruptRemapping),
    X2APIC_OPT_OUT: Number(x2apicOptOut),
    DMA_CTRL_PLATFORM_OPT_IN: Number(dmaControlOptIn),
  });
  const structures = [...table.structures].sort((a, b) => rank(a) - rank(b)).flatMap(structureBytes);
  return buildTable(DMAR_SIGNATURE, DMAR_REVISION, [...head, ...structures]);
}

/** Ascending by type. Among the units, segment by segment, the one of all remaining devices comes last. */
function rank(structure: DmarStructure): number {
  if (structure.type === 'other') return structure.code;
  const type = RemappingStructure[structure.type];
  if (structure.type !== 'DRHD') return type;
  return type + (structure.segment * 2 + Number(structure.includePciAll)) / 2 ** 18;
}

function structureBytes(structure: DmarStructure): number[] {
  switch (structure.type) {
    case 'DRHD': {
      const { includePciAll, size, segment, base, scope } = structure;
      const values = { INCLUDE_PCI_ALL: Number(includePciAll), SIZE: size, SEGMENT: segment, BASE: base };
      return whole(DRHD, { TYPE: RemappingStructure.DRHD, ...values }, scopesBytes(scope));
    }
    case 'RMRR': {
      const { segment, base, limit, scope } = structure;
      const values = { SEGMENT: segment, BASE: base, LIMIT: limit };
      return whole(RMRR, { TYPE: RemappingStructure.RMRR, ...values }, scopesBytes(scope));
    }
    case 'ATSR': {
      const { allPorts, segment, scope } = structure;
      const values = { ALL_PORTS: Number(allPorts), SEGMENT: segment };
      return whole(ATSR, { TYPE: RemappingStructure.ATSR, ...values }, scopesBytes(scope));
    }
    case 'RHSA':
      return whole(RHSA, { TYPE: RemappingStructure.RHSA, BASE: structure.base, PROXIMITY: structure.proximity }, []);
    case 'ANDD': {
      const name = [...structure.name].map((character) => character.charCodeAt(0));
      if (name.some((code) => code < 1 || code > 0x7f)) throw new RangeError(`ANDD: ${structure.name} is not ASCII`);
      const values = { TYPE: RemappingStructure.ANDD, DEVICE_NUMBER: structure.deviceNumber };
      return whole(ANDD, values, [...name, 0]);
    }
    case 'SATC': {
      const { atcRequired, segment, scope } = structure;
      const values = { ATC_REQUIRED: Number(atcRequired), SEGMENT: segment };
      return whole(SATC, { TYPE: RemappingStructure.SATC, ...values }, scopesBytes(scope));
    }
    case 'SIDP': {
      const { segment, scope } = structure;
      return whole(SIDP, { TYPE: RemappingStructure.SIDP, SEGMENT: segment }, scopesBytes(scope));
    }
    case 'other':
      return whole(REMAPPING_HEADER, { TYPE: structure.code }, structure.body);
  }
}

/** A structure with its length and what follows its layout. */
function whole<L extends AnyLayout>(of: L, values: Values<L>, rest: readonly number[]): number[] {
  const length = of.$.bits / 8 + rest.length;
  return [...exactBytesOf(of, { ...values, LENGTH: length }), ...rest];
}

function scopesBytes(scopes: readonly DeviceScope[]): number[] {
  return scopes.flatMap((scope) => {
    const [first, ...more] = scope.path;
    if (first === undefined) throw new RangeError('device scope: a path has at least one hop');
    const values = {
      TYPE: scope.type,
      LENGTH: SCOPE_BYTES + scope.path.length * HOP_BYTES,
      NESTED_NOT_ALLOWED: Number(scope.nestedNotAllowed ?? false),
      PWSNP_NOT_ALLOWED: Number(scope.pwsnpNotAllowed ?? false),
      SNP_NOT_ALLOWED: Number(scope.snpNotAllowed ?? false),
      ATC_HARDENED: Number(scope.atcHardened ?? false),
      ATC_REQUIRED: Number(scope.atcRequired ?? false),
      ENUMERATION_ID: scope.enumerationId,
      START_BUS: scope.startBus,
      DEVICE: first[0],
      FUNCTION: first[1],
    };
    return [...exactBytesOf(DEVICE_SCOPE, values), ...more.flat()];
  });
}
