/** The file of `--capture`: its extension says whether it is for Wireshark or for reading. */
import { CAPTURE_FORMATS, type Capture, type Machine } from '../machine/index.ts';
import { formatFor, OutputFile } from './output-file.ts';

export class CaptureFile {
  readonly #file: OutputFile;
  readonly #capture: Capture;

  /** Empties the file. Throws an InputError for an unknown extension or a file that cannot be written. */
  constructor(path: string) {
    const make = formatFor(CAPTURE_FORMATS, path, 'capture');
    this.#file = new OutputFile(path);
    this.#capture = make((bytes) => this.#file.write(bytes));
  }

  /** Writes what crosses the machine's links from now on. */
  follow(machine: Machine, scenario: string): void {
    machine.capture(this.#capture, `${scenario} on ${machine.spec.name}`);
  }

  close(): void {
    this.#file.close();
  }
}
