/**
 * A bridge: a function with a header of type 1, which says what lies below it. Ports of the root complex and of switches
 * are bridges, and so is the way to a conventional bus.
 *
 * Offers: to whoever routes, what leads down (`leadsTo`, `contains`, `ranges`) and what may come up (`judge`, by Bus
 * Master Enable and ACS); its configuration space.
 */
import { MOST_ERRORS } from './announce-error.ts';
import type { AddressWindow, BridgeHeader } from './bridge-header.ts';
import { headerWords } from './codec.ts';
import type { ConfigSpace } from './config-space.ts';
import { interruptMessage } from './interrupt-message.ts';
import type { Link, LinkEnd } from './link.ts';
import type { Egress, TransactionQueue } from './ordering.ts';
import { leadsDown } from './port-config.ts';
import type { Below } from './root-port.ts';
import { isWithin, type Range } from './routes.ts';
import { isOversize } from './sizes.ts';
import { AcsBit, AddressType, BUS_NUMBERS, CompletionStatus, ErrorMessage, UncorrectableError } from './spec/index.ts';
import { CreditClass, type Tlp } from './tlp.ts';

/** Interrupt Message Number of ports. */
const SLOT_VECTOR = 0;

export class Bridge implements Below {
  readonly name: string;
  readonly config: ConfigSpace;
  /** Takes the error messages that the bridge sends of itself: their code. */
  onError: (message: number) => void = (message) => this.config.aer?.receive(message, this.requester);
  readonly #header: BridgeHeader;
  readonly #function: number;

  /** `config` has a header of type 1; `deviceAndFunction` are bits 7:0 of its requester id. */
  constructor(name: string, config: ConfigSpace, deviceAndFunction: number) {
    this.name = name;
    this.config = config;
    this.#header = config.bridge!;
    this.#function = deviceAndFunction;
  }

  /** By the bus number above it. */
  get requester(): number {
    return (this.#header.primary << 8) | this.#function;
  }

  /** The bus directly below. */
  get secondary(): number {
    return this.#header.secondary;
  }

  /** Gives it its bus numbers, as firmware does. */
  number(primary: number, secondary: number, subordinate: number): void {
    this.config.write(BUS_NUMBERS.$.offset!, 4, primary | (secondary << 8) | (subordinate << 16));
  }

  leadsTo(requester: number): boolean {
    return this.#header.leadsTo(requester >>> 8);
  }

  isBeyond(requester: number): boolean {
    return requester >>> 8 !== this.#header.secondary;
  }

  /** A link leads to one device. Under which numbers its functions can be asked for beyond the eight, ARI Forwarding says. */
  reaches(requester: number): boolean {
    if (this.isBeyond(requester) || deviceNumber(requester) === 0) return true;
    const { portType, ariForwarding } = this.config.pciExpress!;
    return !leadsDown(portType) || ariForwarding;
  }

  /** What it forwards down, while Memory Space Enable is set. */
  get ranges(): Range[] {
    const { memory, prefetchable } = this.#header;
    return [memory, prefetchable].filter((window) => window !== null);
  }

  /** True when all of a memory request lies in one of the ranges. */
  contains(tlp: Tlp): boolean {
    const { memory, prefetchable } = this.#header;
    return holds(memory, tlp) || holds(prefetchable, tlp);
  }

  get maxPayload(): number {
    return this.config.maxPayload;
  }

  get ordersCompletionsById(): boolean {
    return this.config.ordersCompletionsById;
  }

  /** What becomes of a TLP that comes from below: SUCCESSFUL lets it pass. */
  judge(tlp: Tlp): number {
    if (tlp.creditClass === CreditClass.COMPLETION) return CompletionStatus.SUCCESSFUL;
    const { acs, busMaster } = this.config;
    if (acs?.has(AcsBit.SOURCE_VALIDATION) === true && !this.leadsTo(tlp.requester)) return this.violated(tlp);
    if (!tlp.isMemoryRequest) return CompletionStatus.SUCCESSFUL;
    const isTranslated = tlp.addressType !== AddressType.UNTRANSLATED;
    if (isTranslated && acs?.has(AcsBit.TRANSLATION_BLOCKING) === true) return this.violated(tlp);
    if (busMaster) return CompletionStatus.SUCCESSFUL;
    return this.unsupported(tlp);
  }

  /** An ACS violation: recorded, and what wants an answer ends with CA. */
  violated(tlp: Tlp): number {
    this.#found(UncorrectableError.ACS_VIOLATION, tlp);
    return CompletionStatus.COMPLETER_ABORT;
  }

  /** A TLP that nobody takes. */
  unsupported(tlp: Tlp): number {
    const isCompletion = tlp.creditClass === CreditClass.COMPLETION;
    this.#found(isCompletion ? UncorrectableError.UNEXPECTED_COMPLETION : UncorrectableError.UNSUPPORTED_REQUEST, tlp);
    return CompletionStatus.UNSUPPORTED_REQUEST;
  }

  /** A message about an error from below, for a root port. */
  note(tlp: Tlp): void {
    this.config.aer?.receive(tlp.messageCode, tlp.requester);
  }

  isOversize(tlp: Tlp): boolean {
    return isOversize(tlp, this.config);
  }

  /** Something that breaks the rules of TLPs: recorded, and nobody is answered. */
  malformed(tlp: Tlp): void {
    this.#found(UncorrectableError.MALFORMED_TLP, tlp);
  }

  readConfig(offset: number, size: number): number {
    return this.config.read(offset, size);
  }

  writeConfig(offset: number, size: number, value: number): void {
    this.config.write(offset, size, value);
  }

  reset(): void {
    this.config.reset();
  }

  /** The link above was reset. */
  conventionalReset(): void {
    this.config.conventionalReset();
  }

  /** Of what wants an answer the requester hears, and of an answer that went astray he misses it: he decides what it means. */
  #found(error: number, tlp: Tlp): void {
    const isHeard = error !== UncorrectableError.MALFORMED_TLP && tlp.creditClass === CreditClass.NON_POSTED;
    const advisory = isHeard || error === UncorrectableError.UNEXPECTED_COMPLETION;
    const message = this.config.report({ error, header: headerWords(tlp), advisory });
    if (message !== ErrorMessage.NONE) this.onError(message);
  }
}

/** Secondary Bus Reset and Link Disable take the link below down, and back up when both are cleared. */
export function controlsLink({ config }: Bridge, link: Link): void {
  config.bridge!.onSecondaryReset = (asserted) => {
    if (asserted) link.goDown();
    else link.goUp();
  };
  config.pciExpress!.onLinkDisable = (disabled) => link.disable(disabled);
}

/**
 * The slot of a port, if it has one, follows what is below, at `end`. `send` takes the port's interrupt messages, which are
 * memory writes: there is none without Bus Master Enable.
 */
export function sensesSlot(bridge: Bridge, end: LinkEnd, send: (fill: (tlp: Tlp) => Tlp) => void): void {
  const { config } = bridge;
  const { slot } = config;
  if (slot === null) return;
  slot.below = end.link;
  end.onChange = () => slot.sense();
  end.link.onContents = () => slot.sense();
  slot.onInterrupt = () => {
    const source = config.interrupts;
    if (source === null || !config.busMaster) return;
    send((tlp) => interruptMessage(tlp, bridge.requester, source, SLOT_VECTOR));
  };
}

/** Error messages of a bridge go into `queue`, to leave by `egress`. What cannot be told remains in its registers. */
export function tellsErrors(bridge: Bridge, end: LinkEnd, queue: TransactionQueue, egress: Egress): void {
  bridge.onError = (message) => {
    if (queue.length < MOST_ERRORS) queue.push(end.take().message(bridge.requester, message), egress);
  };
}

function deviceNumber(requester: number): number {
  return (requester >>> 3) & 31;
}

function holds(window: AddressWindow | null, tlp: Tlp): boolean {
  return window !== null && isWithin(tlp, window.start, window.end - window.start);
}
