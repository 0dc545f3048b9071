/** What becomes of a request, found by asking the unit itself without effects. */
import { type AnyLayout, joinHalves } from '../bits/index.ts';
import type { PhysicalMemory } from '../memory/index.ts';
import { Access, AddressType, Status } from './access.ts';
import {
  type EntryView,
  type ExplainedFault,
  type Explainer,
  type ExplanationResult,
  type ExplanationStep,
  entryView,
  type InterruptResult,
} from './inspection.ts';
import type { InterruptMessage } from './interrupt-message.ts';
import type { IommuProbe } from './probe.ts';
import type { FaultReason, Translation } from './translation.ts';
import { finish, type Walk } from './walk.ts';

/** Carries a walk out at once while `explainer`, and nobody else, listens to the unit: nobody at all without one. */
export function overhear<R>(
  unit: { probe: IommuProbe | null },
  explainer: Explainer | null,
  memory: PhysicalMemory,
  walk: () => Walk<R>,
): R {
  const before = unit.probe;
  unit.probe = explainer;
  try {
    return finish(walk(), memory);
  } finally {
    unit.probe = before;
  }
}

/** What an answered request comes to; `explained` says more of its condition. */
export function resultOf<Fault extends FaultReason>(
  t: Translation<Fault>,
  explained: (fault: Fault, recorded: boolean) => ExplainedFault,
): ExplanationResult {
  if (t.fault === null && t.status === Status.SUCCESS) {
    const { rights, shift } = t.leaf;
    return {
      ok: true,
      address: joinHalves(t.hpaHi, t.hpaLo),
      pageBytes: 2 ** shift,
      read: (rights & Access.READ) !== 0,
      write: (rights & Access.WRITE) !== 0,
      snoop: t.snoop,
    };
  }
  const { fault, recorded } = t;
  return { ok: false, answer: answerTo(t), fault: fault === null ? null : explained(fault, recorded) };
}

/** Nobody answers a write; a translation request always is one that reads. */
function answerTo({ access, addressType, status }: Translation<FaultReason>): string {
  const isWrite = (access & Access.WRITE) !== 0 && addressType !== AddressType.TRANSLATION;
  return isWrite ? 'none: the write is dropped' : (ANSWERS[status] ?? 'no permission');
}

const ANSWERS: Readonly<Record<number, string>> = {
  [Status.UNSUPPORTED_REQUEST]: 'Unsupported Request',
  [Status.COMPLETER_ABORT]: 'Completer Abort',
};

/** The parts of an interrupt message, each of a DWORD. */
export interface InterruptLayouts {
  readonly upper: AnyLayout;
  readonly address: AnyLayout;
  readonly data: AnyLayout;
}

/** What an interrupt message comes to; `explained` says more of its condition. */
export function interruptResultOf<Fault extends FaultReason>(
  { fault, recorded, delivered, hi, lo, data }: InterruptMessage<Fault>,
  explained: (fault: Fault, recorded: boolean) => ExplainedFault,
  layouts: InterruptLayouts,
): InterruptResult {
  if (fault !== null) return { ok: false, answer: 'none: the write is dropped', fault: explained(fault, recorded) };
  if (!delivered) return { ok: true, message: null };
  const upper = hi === 0 ? [] : entryView(layouts.upper, Uint32Array.of(hi), 0).fields;
  const fields = [
    ...upper,
    ...entryView(layouts.address, Uint32Array.of(lo), 0).fields,
    ...entryView(layouts.data, Uint32Array.of(data), 0).fields,
  ];
  return { ok: true, message: { address: joinHalves(hi, lo), data: data >>> 0, fields } };
}

/** The registers with these names, as steps. */
export function registerSteps(registers: readonly EntryView[], names: readonly string[]): ExplanationStep[] {
  return registers
    .filter(({ what }) => names.includes(what))
    .sort((a, b) => a.address - b.address)
    .map((view): ExplanationStep => ({ kind: 'register', ...view }));
}

export const INTERRUPT_NOTE: ExplanationStep = {
  kind: 'note',
  text: 'A write of one DWORD here is an interrupt message, which is explained when its data is given. What follows is what becomes of any other write.',
};
