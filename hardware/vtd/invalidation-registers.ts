/**
 * Invalidation through registers (VT-d 11.4.6): CCMD for the context cache, IVA and IOTLB_REG for the IOTLB. A command
 * starts when the upper half is written with its start bit set, and is complete when that write returns, unless requests
 * under way have to be answered first.
 */
import type { RegisterFile } from '../bits/index.ts';
import type { Walk } from '../iommu/index.ts';
import { MemoryOperation } from '../memory/index.ts';
import type { Capabilities } from './capabilities.ts';
import type { Invalidator } from './invalidation.ts';
import { CCMD, GSTS, IOTLB_REG, IVA, TranslationTableMode } from './spec/index.ts';

/** Granularity of a request that was ignored. */
const IGNORED = 0;

export class InvalidationRegisters {
  readonly #file: RegisterFile;
  readonly #capabilities: Capabilities;
  readonly #invalidator: Invalidator;
  /** Carries out work of the unit. */
  readonly #start: (walk: Walk) => void;
  readonly #iotlbWord: number;
  /** Write-only registers keep no value that software could read; what it wrote is here. */
  readonly #written = { ccmd: new Uint32Array(2), iva: new Uint32Array(2) };

  constructor(file: RegisterFile, capabilities: Capabilities, invalidator: Invalidator, start: (walk: Walk) => void) {
    const ccmd = CCMD.$.offset!;
    const iva = capabilities.iotlbRegisterOffset;
    this.#file = file;
    this.#capabilities = capabilities;
    this.#invalidator = invalidator;
    this.#start = start;
    this.#iotlbWord = (iva + 8) / 4;
    const written = this.#written;
    file.onWrite(ccmd, (value) => {
      written.ccmd[0] = value;
    });
    file.onWrite(ccmd + 4, (value) => {
      written.ccmd[1] = value;
      if (CCMD.ICC.isSet(file.words)) this.#invalidateContexts();
    });
    file.onWrite(iva, (value) => {
      written.iva[0] = value;
    });
    file.onWrite(iva + 4, (value) => {
      written.iva[1] = value;
    });
    file.onWrite(iva + 12, () => {
      if (IOTLB_REG.IVT.isSet(file.words, this.#iotlbWord)) this.#invalidateIotlb();
    });
  }

  /** These registers work only without the queue, in legacy mode, and in older versions. */
  get #works(): boolean {
    const { words } = this.#file;
    const legacy = this.#invalidator.mode === TranslationTableMode.LEGACY;
    return this.#capabilities.registerInvalidation && !GSTS.QIES.isSet(words) && legacy;
  }

  #invalidateContexts(): void {
    const { words } = this.#file;
    const raw = this.#written.ccmd;
    const at = -CCMD.$.offset! / 4;
    const granularity = CCMD.CIRG.get(words);
    const done =
      this.#works &&
      this.#invalidator.contexts({
        granularity,
        domain: CCMD.DID.get(words),
        requester: CCMD.SID.get(raw, at),
        functionMask: CCMD.FM.get(raw, at),
      });
    CCMD.CAIG.set(words, done ? granularity : IGNORED);
    CCMD.ICC.set(words, 0);
  }

  #invalidateIotlb(): void {
    const { words } = this.#file;
    const at = this.#iotlbWord;
    const raw = this.#written.iva;
    const granularity = IOTLB_REG.IIRG.get(words, at);
    const done =
      this.#works &&
      this.#invalidator.iotlb({
        granularity,
        domain: IOTLB_REG.DID.get(words, at),
        addressHi: raw[1]! | 0,
        addressLo: raw[0]! & IVA.ADDR.mask,
        order: IVA.AM.get(raw),
        leavesOnly: IVA.IH.isSet(raw),
      });
    if (done && this.#drains()) this.#start(this.#drain(granularity));
    else this.#completeIotlb(done ? granularity : IGNORED);
  }

  /** Whether requests that used the old translations come first (VT-d 6.5.4, 11.4.6.3). */
  #drains(): boolean {
    const { words } = this.#file;
    const { DR, DW } = IOTLB_REG;
    const has = this.#capabilities;
    const asked = (flag: typeof DR, exists: boolean): boolean => exists && flag.isSet(words, this.#iotlbWord);
    return has.alwaysDrains || asked(DR, has.has('DRD')) || asked(DW, has.has('DWD'));
  }

  *#drain(granularity: number): Walk {
    yield new MemoryOperation().barrier();
    this.#completeIotlb(granularity);
  }

  #completeIotlb(granularity: number): void {
    const { words } = this.#file;
    IOTLB_REG.IAIG.set(words, granularity, this.#iotlbWord);
    IOTLB_REG.IVT.set(words, 0, this.#iotlbWord);
  }
}
