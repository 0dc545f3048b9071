/** What a machine says of a VT-d unit, and what it gives it. */
import type { PhysicalMemory } from '../memory/index.ts';
import type { CapabilityRegisters } from './capabilities.ts';
import type { RaiseMsi } from './event-interrupt.ts';
import type { InterruptRemapperSpec } from './interrupt-remapper.ts';
import type { TranslatorSpec } from './translator.ts';
import type { WatchSpec } from './watch.ts';

export interface VtdSpec extends TranslatorSpec, InterruptRemapperSpec, WatchSpec {
  readonly capabilities: CapabilityRegisters;
  /** Bits of a host physical address. */
  readonly hostAddressWidth: number;
  /** Drop a fault whose requester has an unread record. */
  readonly faultCompression: boolean;
}

export interface VtdSurroundings {
  readonly memory: PhysicalMemory;
  readonly raiseMsi: RaiseMsi;
}
