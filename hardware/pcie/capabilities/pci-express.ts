/**
 * The PCI Express capability: what the function is, and what software lets it put on the link.
 *
 * A virtual function has the status and the reset of its own; everything else that is controlled here is controlled by the
 * capability of its physical function.
 */
import type { Field } from '../../bits/index.ts';
import { log2 } from '../base-address.ts';
import { CapabilityId, PCIE_CAPABILITY, PortType, SizeCode } from '../spec/index.ts';
import { Capability } from './capability.ts';

export interface PciExpressSpec {
  /** One of `PortType`. */
  readonly portType: number;
  /** Largest payload that the function can handle: 128 to 4096 bytes. */
  readonly payloadSupported: number;
  /** It has function-level reset. */
  readonly flr?: boolean;
  /** A port that can reach functions 8 to 255. */
  readonly ariForwarding?: boolean;
  /** A port that forwards atomic operations. */
  readonly atomicRouting?: boolean;
  /** It completes atomic operations of 32 and 64 bits. */
  readonly atomicCompleter?: boolean;
  /** It can use 10-bit tags, and completes requests that do. */
  readonly tenBitTags?: boolean;
  readonly completionTimeoutRanges?: number;
  readonly portNumber?: number;
  /** A port with a slot that devices may come into and go from at any time: its number in the machine. */
  readonly slot?: number;
}

/** Where the capability stands in every function that has it. */
export const PCIE_AT = 0x40;

const VERSION = 2;
const DEVICE_CONTROL_AT = 0x08;
const LINK_CONTROL_AT = 0x10;
const P = PCIE_CAPABILITY;

const CONTROLS_OF_FUNCTION: readonly Field[] = [
  P.CORRECTABLE_ERROR_ENABLE,
  P.NON_FATAL_ERROR_ENABLE,
  P.FATAL_ERROR_ENABLE,
  P.UNSUPPORTED_REQUEST_ENABLE,
  P.RELAXED_ORDERING_ENABLE,
  P.MAX_PAYLOAD,
  P.EXTENDED_TAG_ENABLE,
  P.NO_SNOOP_ENABLE,
  P.MAX_READ_REQUEST,
  P.COMPLETION_TIMEOUT_VALUE,
  P.COMPLETION_TIMEOUT_DISABLE,
  P.ATOMIC_REQUESTER_ENABLE,
  P.ID_ORDERING_REQUEST_ENABLE,
  P.ID_ORDERING_COMPLETION_ENABLE,
  P.TEN_BIT_TAG_ENABLE,
];
const CONTROLS_OF_LINK: readonly Field[] = [
  P.ASPM_CONTROL,
  P.READ_COMPLETION_BOUNDARY,
  P.COMMON_CLOCK,
  P.TARGET_LINK_SPEED,
];
/** Of those that ask for something of their own: endpoints and root ports (PCIe 7.5.3.16). */
const CONTROLS_OF_REQUESTER: readonly Field[] = [
  P.ATOMIC_REQUESTER_ENABLE,
  P.ID_ORDERING_REQUEST_ENABLE,
  P.ID_ORDERING_COMPLETION_ENABLE,
];
const CONTROLS_OF_PORT: readonly Field[] = [P.ATOMIC_EGRESS_BLOCKING, P.PREFIX_EGRESS_BLOCKING];
const CONTROLS_OF_ROOT: readonly Field[] = [
  P.SYSTEM_ERROR_ON_CORRECTABLE,
  P.SYSTEM_ERROR_ON_NON_FATAL,
  P.SYSTEM_ERROR_ON_FATAL,
  P.PME_INTERRUPT_ENABLE,
];

const CONTROLS_OF_SLOT: readonly Field[] = [
  P.PRESENCE_DETECT_CHANGED_ENABLE,
  P.HOT_PLUG_INTERRUPT_ENABLE,
  P.DATA_LINK_STATE_CHANGED_ENABLE,
];

const REQUESTERS: ReadonlySet<number> = new Set([
  PortType.ENDPOINT,
  PortType.LEGACY_ENDPOINT,
  PortType.ROOT_PORT,
  PortType.INTEGRATED_ENDPOINT,
]);
const PORTS: ReadonlySet<number> = new Set([PortType.ROOT_PORT, PortType.UPSTREAM_PORT, PortType.DOWNSTREAM_PORT]);
const ROOTS: ReadonlySet<number> = new Set([PortType.ROOT_PORT, PortType.ROOT_COMPLEX_EVENT_COLLECTOR]);
const DOWNSTREAM: ReadonlySet<number> = new Set([PortType.ROOT_PORT, PortType.DOWNSTREAM_PORT]);
const BRIDGES: ReadonlySet<number> = new Set([...PORTS, PortType.PCIE_TO_PCI_BRIDGE, PortType.PCI_TO_PCIE_BRIDGE]);
const INTEGRATED: ReadonlySet<number> = new Set([PortType.INTEGRATED_ENDPOINT, PortType.ROOT_COMPLEX_EVENT_COLLECTOR]);

export function isBridge(portType: number): boolean {
  return BRIDGES.has(portType);
}

/** Root ports and event collectors, to which errors are reported. */
export function isRoot(portType: number): boolean {
  return ROOTS.has(portType);
}

export class PciExpressCapability extends Capability<typeof PCIE_CAPABILITY> {
  /** Set by the configuration space: software asks for a function-level reset. */
  onFlr: (() => void) | null = null;
  /** A downstream port was told to take its link down, or to bring it up. */
  onLinkDisable: ((disabled: boolean) => void) | null = null;
  readonly portType: number;
  readonly #spec: PciExpressSpec;
  /** The capability that controls this function. */
  readonly #control: PciExpressCapability;
  readonly #isVirtual: boolean;
  #linkDisabled = false;

  constructor(spec: PciExpressSpec, physical: PciExpressCapability | null) {
    const flag = (on: boolean | undefined) => (on ? 1 : 0);
    super({
      extended: false,
      id: CapabilityId.PCI_EXPRESS,
      layout: PCIE_CAPABILITY,
      preferred: PCIE_AT,
      initial: {
        VERSION,
        PORT_TYPE: spec.portType,
        PAYLOAD_SUPPORTED: log2(spec.payloadSupported / 128),
        EXTENDED_TAG_SUPPORTED: 1,
        ROLE_BASED_ERRORS: 1,
        FLR_SUPPORTED: flag(spec.flr),
        RELAXED_ORDERING_ENABLE: flag(physical === null),
        NO_SNOOP_ENABLE: flag(physical === null),
        MAX_READ_REQUEST: physical === null ? SizeCode.B512 : 0,
        COMPLETION_TIMEOUT_RANGES: spec.completionTimeoutRanges ?? 0,
        COMPLETION_TIMEOUT_DISABLE_SUPPORTED: flag(spec.completionTimeoutRanges !== undefined),
        ARI_FORWARDING_SUPPORTED: flag(spec.ariForwarding),
        ATOMIC_ROUTING_SUPPORTED: flag(spec.atomicRouting),
        ATOMIC_COMPLETER_32: flag(spec.atomicCompleter),
        ATOMIC_COMPLETER_64: flag(spec.atomicCompleter),
        TEN_BIT_TAG_COMPLETER: flag(spec.tenBitTags),
        TEN_BIT_TAG_REQUESTER: flag(spec.tenBitTags),
        PREFIX_SUPPORTED: 1,
        PORT_NUMBER: spec.portNumber ?? 0,
        PRESENCE_DETECT: flag(DOWNSTREAM.has(spec.portType)),
      },
    });
    this.portType = spec.portType;
    this.#spec = spec;
    this.#control = physical ?? this;
    this.#isVirtual = physical !== null;
  }

  /** Largest payload that the function may send, in bytes; what it cannot handle is not taken as permission. */
  get maxPayload(): number {
    return Math.min(128 << this.#control.get(P.MAX_PAYLOAD), this.#spec.payloadSupported);
  }

  /** Largest read that the function may request, in bytes. */
  get maxReadRequest(): number {
    return 128 << Math.min(this.#control.get(P.MAX_READ_REQUEST), SizeCode.B4096);
  }

  /** Tags that may be outstanding. */
  get tags(): number {
    const control = this.#control;
    if (control.isSet(P.TEN_BIT_TAG_ENABLE)) return 1024;
    return control.isSet(P.EXTENDED_TAG_ENABLE) ? 256 : 32;
  }

  get relaxedOrdering(): boolean {
    return this.#control.isSet(P.RELAXED_ORDERING_ENABLE);
  }

  get noSnoop(): boolean {
    return this.#control.isSet(P.NO_SNOOP_ENABLE);
  }

  /** Requests may have ID-Based Ordering. */
  get idOrdering(): boolean {
    return this.#control.isSet(P.ID_ORDERING_REQUEST_ENABLE);
  }

  /** Completions may have ID-Based Ordering. */
  get ordersCompletionsById(): boolean {
    return this.#control.isSet(P.ID_ORDERING_COMPLETION_ENABLE);
  }

  /** The function may send atomic operations. */
  get atomicRequester(): boolean {
    return this.#control.isSet(P.ATOMIC_REQUESTER_ENABLE);
  }

  /** Completion Timeout Value: which range software has chosen. */
  get completionTimeout(): number {
    return this.#control.get(P.COMPLETION_TIMEOUT_VALUE);
  }

  get completionTimeoutDisabled(): boolean {
    return this.#control.isSet(P.COMPLETION_TIMEOUT_DISABLE);
  }

  /** Bytes: reads are completed in pieces that end on multiples of this. */
  get readCompletionBoundary(): number {
    return this.isSet(P.READ_COMPLETION_BOUNDARY) ? 128 : 64;
  }

  /** The port takes the device number as a part of the function number. */
  get ariForwarding(): boolean {
    return this.isSet(P.ARI_FORWARDING_ENABLE);
  }

  get atomicEgressBlocking(): boolean {
    return this.isSet(P.ATOMIC_EGRESS_BLOCKING);
  }

  get prefixEgressBlocking(): boolean {
    return this.isSet(P.PREFIX_EGRESS_BLOCKING);
  }

  /** A request of the function is not completed. */
  set transactionsPending(pending: boolean) {
    this.set(P.TRANSACTIONS_PENDING, pending ? 1 : 0);
  }

  /** Whether software wants to be told of what `enable` names: one of the fields of Device Control. */
  reports(enable: Field): boolean {
    return this.#control.isSet(enable);
  }

  /** Remembers an error in Device Status. */
  note(detected: Field): void {
    this.set(detected, 1);
  }

  /** What the function says of its link. Integrated functions have none. */
  describeLink(generation: number, width: number): void {
    if (INTEGRATED.has(this.portType)) return;
    this.describe({
      MAX_LINK_SPEED: generation,
      MAX_LINK_WIDTH: width,
      LINK_SPEED: generation,
      LINK_WIDTH: width,
      LINK_SPEEDS: 2 ** generation - 1,
      TARGET_LINK_SPEED: generation,
    });
  }

  override get keptByFlr(): readonly Field[] {
    return [P.MAX_PAYLOAD, ...CONTROLS_OF_LINK];
  }

  override reset(): void {
    this.#linkWritten();
  }

  protected override wire(): void {
    this.withhold(...this.#absent());
    this.onWrite(DEVICE_CONTROL_AT, (written) => {
      if (this.#spec.flr && (written & P.INITIATE_FLR.mask) !== 0) this.onFlr?.();
    });
    this.onWrite(LINK_CONTROL_AT, () => this.#linkWritten());
  }

  #linkWritten(): void {
    const disabled = this.isSet(P.LINK_DISABLE);
    if (disabled === this.#linkDisabled) return;
    this.#linkDisabled = disabled;
    this.onLinkDisable?.(disabled);
  }

  /** Controls of what this function does not have. */
  #absent(): Field[] {
    const { portType, ariForwarding, tenBitTags, completionTimeoutRanges, slot } = this.#spec;
    const isDownstream = DOWNSTREAM.has(portType);
    return [
      P.LTR_ENABLE,
      ...(this.#isVirtual ? [...CONTROLS_OF_FUNCTION, ...CONTROLS_OF_LINK] : []),
      ...(INTEGRATED.has(portType) ? CONTROLS_OF_LINK : []),
      ...(REQUESTERS.has(portType) ? [] : CONTROLS_OF_REQUESTER),
      ...(PORTS.has(portType) ? [] : CONTROLS_OF_PORT),
      ...(isRoot(portType) ? [] : CONTROLS_OF_ROOT),
      ...(isDownstream ? [] : [P.LINK_DISABLE]),
      ...(isDownstream && ariForwarding ? [] : [P.ARI_FORWARDING_ENABLE]),
      ...(slot === undefined ? CONTROLS_OF_SLOT : []),
      ...(tenBitTags ? [] : [P.TEN_BIT_TAG_ENABLE]),
      ...(completionTimeoutRanges === undefined ? [P.COMPLETION_TIMEOUT_VALUE, P.COMPLETION_TIMEOUT_DISABLE] : []),
    ];
  }
}
