/** The header of a configuration space, of type 0 or 1: which registers it has, and what they say after power-on. */
import type { AnyLayout, Placement, RegisterFile } from '../bits/index.ts';
import { barRegisters, barType } from './base-address.ts';
import { BRIDGE_REGISTERS } from './bridge-header.ts';
import { isBridge } from './capabilities/pci-express.ts';
import type { ConfigSpec } from './config-spec.ts';
import {
  BAR_COUNT,
  BRIDGE_BAR_COUNT,
  barOffset,
  CAPABILITIES_POINTER,
  CLASS_REVISION,
  COMMAND_STATUS,
  HEADER_TYPE,
  IDENTITY,
  INTERRUPT,
  PortType,
  SUBSYSTEM,
} from './spec/index.ts';

const COMMON: readonly AnyLayout[] = [IDENTITY, COMMAND_STATUS, CLASS_REVISION, HEADER_TYPE, CAPABILITIES_POINTER];
const TYPE_0: readonly AnyLayout[] = [SUBSYSTEM, INTERRUPT];

/** Fields of the Command register that a virtual function leaves to its physical one. */
const NOT_VIRTUAL = ['MEMORY_SPACE', 'PARITY_ERROR_RESPONSE', 'SERR_ENABLE', 'INTX_DISABLE'];

export function hasBridgeHeader({ portType = PortType.ENDPOINT }: ConfigSpec): boolean {
  return isBridge(portType);
}

/** The base addresses of a virtual function stand in its physical one. */
export function headerRegisters(spec: ConfigSpec, isVirtual: boolean): Placement[] {
  const isOfBridge = hasBridgeHeader(spec);
  const count = isOfBridge ? BRIDGE_BAR_COUNT : BAR_COUNT;
  const bars = isVirtual ? [] : spec.bars.flatMap((bar) => barRegisters(bar, barOffset(0), count));
  const registers = [...COMMON, ...(isOfBridge ? BRIDGE_REGISTERS : TYPE_0)];
  return [...registers.map((layout) => ({ layout, offset: layout.$.offset! })), ...bars];
}

/** Sets the power-on values. `first` is the place of the first capability. */
export function fillHeader(file: RegisterFile, spec: ConfigSpec, first: number, isVirtual: boolean): void {
  const { vendor, device, revision, classCode, bars } = spec;
  file.initial(IDENTITY, { VENDOR_ID: vendor, DEVICE_ID: device });
  file.initial(COMMAND_STATUS, { CAPABILITIES_LIST: first > 0 ? 1 : 0 });
  file.initial(CLASS_REVISION, { REVISION_ID: revision, CLASS_CODE: classCode });
  file.initial(CAPABILITIES_POINTER, { POINTER: first });
  if (!hasBridgeHeader(spec)) file.initial(SUBSYSTEM, { SUBSYSTEM_VENDOR_ID: vendor, SUBSYSTEM_ID: device });
  if (isVirtual) file.withhold(COMMAND_STATUS, NOT_VIRTUAL);
  else for (const bar of bars) file.initialWords(barOffset(bar.index), [barType(bar)]);
}
