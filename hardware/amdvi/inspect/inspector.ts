/** What an AMD-Vi unit shows to somebody who asks. Asking changes nothing: no table, cache, register, log or count. */
import { highOf, lowOf } from '../../bits/index.ts';
import {
  Access,
  AddressType,
  accessFor,
  type CacheView,
  type EntryView,
  Explainer,
  type Explanation,
  type ExplanationStep,
  INTERRUPT_NOTE,
  type InterruptExplanation,
  type InterruptQuestion,
  type IommuInspector,
  inInterruptRange,
  NO_PASID,
  overhear,
  type Question,
  type ReadBytes,
  registerSteps,
  resultOf,
  type TableNode,
  Translation,
} from '../../iommu/index.ts';
import type { PhysicalMemory } from '../../memory/index.ts';
import { type AmdFault, CONTROL, DEVICE_TABLE_BASE, EXCLUSION_BASE, EXCLUSION_LIMIT } from '../spec/index.ts';
import type { AmdViUnit } from '../unit.ts';
import { cacheViews } from './caches.ts';
import { entryLayout } from './entries.ts';
import { explainedFault } from './faults.ts';
import { explainInterrupt } from './interrupt-messages.ts';
import { interruptTables } from './interrupts.ts';
import { registerViews } from './registers.ts';
import { commandBuffer, logTrees } from './rings.ts';
import { TableReader } from './tables.ts';

export class AmdViInspector implements IommuInspector {
  readonly #unit: AmdViUnit;
  readonly #memory: PhysicalMemory;
  readonly #read: ReadBytes = (address, length) => this.#memory.read(address, length);

  constructor(unit: AmdViUnit, memory: PhysicalMemory) {
    this.#unit = unit;
    this.#memory = memory;
  }

  explain(question: Question): Explanation {
    const unit = this.#unit;
    const { requester, pasid, address } = question;
    const { access, addressType } = accessFor(question);
    const t = new Translation<AmdFault>();
    t.ask(requester, pasid, access, highOf(address), lowOf(address));
    t.addressType = addressType;
    t.effects = false;
    const explainer = new Explainer(entryLayout);
    overhear(unit, explainer, this.#memory, () => unit.walk(t));
    const steps = [...this.#circumstances(t), ...explainer.steps, ...this.#wayPast(t)];
    return { question, steps, result: resultOf(t, explainedFault) };
  }

  explainInterrupt(question: InterruptQuestion): InterruptExplanation {
    return explainInterrupt(question, this.#unit, this.#memory, this.registers());
  }

  registers(): EntryView[] {
    const { registers, features, spec } = this.#unit;
    return registerViews(registers, features, spec.counters);
  }

  tables(requester?: number, pasid?: number): TableNode {
    return new TableReader(this.#unit, this.#read).tree(requester, pasid);
  }

  interrupts(): TableNode {
    return interruptTables(this.#unit, this.#read);
  }

  queue(): TableNode {
    return commandBuffer(this.#unit.registers, this.#read);
  }

  logs(): TableNode[] {
    const { registers, features } = this.#unit;
    return logTrees(registers, features, this.#read);
  }

  caches(): CacheView[] {
    const { translator, interrupts, registers } = this.#unit;
    return cacheViews(translator, interrupts, CONTROL.XTEn.isSet(registers.words));
  }

  /** What decides before any table is looked at. */
  #circumstances({ hi, lo, pasid, access }: Translation<AmdFault>): ExplanationStep[] {
    const { words } = this.#unit.registers;
    const isOn = CONTROL.IommuEn.isSet(words);
    const hasExclusion = EXCLUSION_BASE.ExEn.isSet(words) && !this.#unit.features.has('SNPSup');
    const shown = [
      CONTROL.$.name,
      ...(isOn ? [DEVICE_TABLE_BASE.$.name] : []),
      ...(isOn && hasExclusion ? [EXCLUSION_BASE.$.name, EXCLUSION_LIMIT.$.name] : []),
    ];
    const steps = registerSteps(this.registers(), shown);
    if (!isOn) steps.push({ kind: 'note', text: 'The unit is off: addresses pass as they are.' });
    const isWrite = (access & Access.WRITE) !== 0;
    if (inInterruptRange(hi, lo) && pasid === NO_PASID && isWrite) steps.push(INTERRUPT_NOTE);
    return steps;
  }

  /** Why the address came through as it was, where it did although the unit is on. */
  #wayPast(t: Translation<AmdFault>): ExplanationStep[] {
    const { registers, translator } = this.#unit;
    if (t.fault !== null || !t.passed || !CONTROL.IommuEn.isSet(registers.words)) return [];
    const device = overhear(this.#unit, null, this.#memory, () => translator.devices.find(t));
    if ('code' in device) return [];
    const text = !device.valid
      ? 'V of the device table entry is 0: addresses pass as they are.'
      : t.addressType === AddressType.TRANSLATED
        ? 'The device has translated the address itself, and I of its device table entry allows that.'
        : translator.exclusion.covers(t, device)
          ? 'The address is in the exclusion range.'
          : 'Mode of the device table entry is 0: addresses pass as they are.';
    return [{ kind: 'note', text }];
  }
}
