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
  #pieces: Uint8Array[] = [];
  /** After the pieces: small texts become bytes together. */
  #text = '';
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
    if (typeof piece === 'string') this.#text += piece;
    else {
      this.#seal();
      this.#pieces.push(Buffer.from(piece));
      this.#bytes += piece.length;
    }
    if (this.#bytes + this.#text.length >= FLUSH_AT) this.#flush();
  }

  close(): void {
    this.#flush();
    closeSync(this.#file);
  }

  #flush(): void {
    this.#seal();
    writeSync(this.#file, Buffer.concat(this.#pieces));
    this.#pieces = [];
    this.#bytes = 0;
  }

  #seal(): void {
    if (this.#text !== '') this.#pieces.push(Buffer.from(this.#text));
    this.#text = '';
  }
}
