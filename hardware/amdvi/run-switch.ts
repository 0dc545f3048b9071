/**
 * What makes a ring run: a Run bit of Status follows IommuEn, the ring's own enable bit of Control and its length. What
 * stopped by itself goes on when software switches it off and on again.
 */
import type { AnyLayout, Field, RegisterFile } from '../bits/index.ts';
import { CONTROL } from './spec/index.ts';

export interface RunSpec {
  /** A bit of Control. */
  readonly enable: Field;
  /** A bit of Status. */
  readonly run: Field;
  /** Base registers, at whose change the length is looked at again. */
  readonly bases: readonly AnyLayout[];
  /** The unit's own pointers: they take no writes while it runs. */
  readonly locked: readonly AnyLayout[];
  isPossible(): boolean;
  /** Software has switched it on. */
  started?(): void;
  /** It begins to run. */
  running?(): void;
}

export class RunSwitch {
  readonly #file: RegisterFile;
  readonly #spec: RunSpec;
  #isOn = false;
  #hasStopped = false;

  constructor(file: RegisterFile, spec: RunSpec) {
    this.#file = file;
    this.#spec = spec;
    const update = (): void => this.#update();
    for (const register of [CONTROL, ...spec.bases]) {
      file.onWrite(register.$.offset!, update);
      file.onWrite(register.$.offset! + 4, update);
    }
  }

  get isRunning(): boolean {
    return this.#spec.run.isSet(this.#file.words);
  }

  /** Nothing runs any more until software switches it off and on again. */
  stop(): void {
    this.#hasStopped = true;
    this.#update();
  }

  /** Registers are at their power-on values. */
  reset(): void {
    this.#isOn = false;
    this.#hasStopped = false;
  }

  #update(): void {
    const { enable, run, locked } = this.#spec;
    const { words } = this.#file;
    const isOn = CONTROL.IommuEn.isSet(words) && enable.isSet(words);
    if (isOn && !this.#isOn) {
      this.#hasStopped = false;
      this.#spec.started?.();
    }
    this.#isOn = isOn;
    const ran = run.isSet(words);
    const runs = isOn && !this.#hasStopped && this.#spec.isPossible();
    run.set(words, runs ? 1 : 0);
    for (const { $ } of locked) this.#file.lock($.offset!, $.words, runs);
    if (runs && !ran) this.#spec.running?.();
  }
}
