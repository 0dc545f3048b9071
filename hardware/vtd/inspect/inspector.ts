/** What a VT-d unit shows to somebody who asks. Asking changes nothing: no table, cache, register, record or count. */
import { highOf, lowOf } from '../../bits/index.ts';
import {
  Access,
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
import { type Fault, GSTS, RTADDR } from '../spec/index.ts';
import type { VtdUnit } from '../unit.ts';
import { cacheViews } from './caches.ts';
import { entryLayout } from './entries.ts';
import { explainedFault } from './faults.ts';
import { explainInterrupt } from './interrupt-messages.ts';
import { interruptTable } from './interrupts.ts';
import { invalidationQueue, pageRequestQueue } from './queue.ts';
import { registerViews } from './registers.ts';
import { TableReader } from './tables.ts';

export class VtdInspector implements IommuInspector {
  readonly #unit: VtdUnit;
  readonly #memory: PhysicalMemory;
  readonly #read: ReadBytes = (address, length) => this.#memory.read(address, length);

  constructor(unit: VtdUnit, memory: PhysicalMemory) {
    this.#unit = unit;
    this.#memory = memory;
  }

  explain(question: Question): Explanation {
    const unit = this.#unit;
    const { requester, pasid, address } = question;
    const { access, addressType } = accessFor(question);
    const t = new Translation<Fault>();
    t.ask(requester, pasid, access, highOf(address), lowOf(address));
    t.addressType = addressType;
    t.effects = false;
    const explainer = new Explainer(entryLayout);
    overhear(unit, explainer, this.#memory, () => unit.walk(t));
    return { question, steps: [...this.#circumstances(t), ...explainer.steps], result: resultOf(t, explainedFault) };
  }

  explainInterrupt(question: InterruptQuestion): InterruptExplanation {
    return explainInterrupt(question, this.#unit, this.#memory, this.registers());
  }

  registers(): EntryView[] {
    const { registers, capabilities, spec } = this.#unit;
    return registerViews(registers, capabilities, spec.performance);
  }

  tables(requester?: number, pasid?: number): TableNode {
    const { capabilities, translator } = this.#unit;
    const reader = new TableReader(capabilities, this.#read);
    const { mode, table: root, ioRights } = translator.root;
    return reader.tree({ mode, root, ioRights, requester, pasid });
  }

  interrupts(): TableNode | null {
    return this.#unit.capabilities.has('IR') ? interruptTable(this.#unit, this.#read) : null;
  }

  queue(): TableNode | null {
    const { capabilities, registers } = this.#unit;
    return capabilities.has('QI') ? invalidationQueue(registers.words, this.#read) : null;
  }

  logs(): TableNode[] {
    const { capabilities, registers } = this.#unit;
    return capabilities.has('PRS') ? [pageRequestQueue(registers.words, this.#read)] : [];
  }

  caches(): CacheView[] {
    return cacheViews(this.#unit.translator, this.#unit.interrupts.cache);
  }

  /** What decides before any table is looked at. */
  #circumstances({ hi, lo, pasid, access }: Translation<Fault>): ExplanationStep[] {
    const { words } = this.#unit.registers;
    const isOn = GSTS.TES.isSet(words);
    const shown = isOn ? [GSTS.$.name, RTADDR.$.name] : [GSTS.$.name];
    const steps = registerSteps(this.registers(), shown);
    if (!isOn) steps.push({ kind: 'note', text: 'DMA remapping is off: addresses pass as they are.' });
    if (inInterruptRange(hi, lo) && pasid === NO_PASID && (access & Access.WRITE) !== 0) {
      steps.push(INTERRUPT_NOTE);
    }
    return steps;
  }
}
