/** A file that is written while a run goes on, in large pieces. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { extname } from 'node:path';
import { InputError } from '../machine/index.ts';

const FLUSH_AT = 1 << 16;

/** What `formats` has for the extension of `path`. Throws an InputError that names those it has when there is none. */
export function formatFor<T>(formats: Readonly<Record<string, T>>, path: string, kind: string): T {
  const extension = extname(path).slice(1);
  if (Object.hasOwn(formats, extension)) return formats[extension]!;
  const accepted = Object.keys(formats).map((name) => `.${name}`);
  throw new InputError(`A ${kind} file's name ends in one of ${accepted.join(', ')}, and "${path}" does not.`);
}

export class OutputFile {
  readonly #file: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  /** Empties the file. Throws an InputError for one that cannot be written. */
  constructor(path: string) {
    try {
      this.#file = openSync(path, 'w');
    } catch (error) {
      throw new InputError(`"${path}" cannot be written (${(error as NodeJS.ErrnoException).code}).`);
    }
  }

  write(piece: string | Uint8Array): void {
    const bytes = Buffer.from(piece);
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes >= FLUSH_AT) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    writeSync(this.#file, Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#bytes = 0;
  }
}
