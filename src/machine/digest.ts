/** One short text that differs as soon as anything in a machine's state differs. */
import type { Hardware } from './hardware.ts';

/** FNV-1a over 32-bit words, in two lanes that start differently. */
class Hash {
  #a = 0x811c_9dc5;
  #b = 0x9747_b28c;

  add(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x0100_0193);
    this.#b = Math.imul(this.#b ^ word ^ (this.#a >>> 15), 0x0100_0193);
  }

  words(words: Int32Array | Uint32Array): void {
    for (let i = 0; i < words.length; i++) this.add(words[i]!);
  }

  text(text: string): void {
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i));
  }

  toString(): string {
    return [this.#a, this.#b].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
  }
}

/** `shown` is what snapshots say of components; memory, registers and caches come from the hardware itself, with the age of each cached translation. */
export function digestOf({ memory, iommu }: Hardware, shown: unknown): string {
  const hash = new Hash();
  hash.text(JSON.stringify(shown, (_, value: unknown) => (typeof value === 'bigint' ? value.toString(16) : value)));
  hash.words(memory.pool);
  hash.add(memory.touchedBytes);
  for (const words of iommu.state()) hash.words(words);
  return hash.toString();
}
