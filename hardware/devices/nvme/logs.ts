/** What Get Log Page returns: the last error, how much was read and written, the firmware. It outlives controller resets. */
import { bytesOf, encode } from '../../bits/index.ts';
import { FIRMWARE, putText } from './identify.ts';
import type { Command } from './queues.ts';
import {
  CHANGED_NAMESPACES_BYTES,
  codesOf,
  ERROR_INFORMATION,
  FIRMWARE_REVISION_1,
  FIRMWARE_SLOT,
  LogPage,
  READ_WRITE,
  SMART,
  SQE,
  STATUS_FIELD,
} from './spec/index.ts';

/** Data units of SMART are thousands of 512 bytes. */
const DATA_UNIT = 512_000;
const ROOM_TEMPERATURE = 298;
const FULL = 100;
const LEAST_SPARE = 10;

export class Logs {
  #errors = 0;
  #last: Uint8Array = new Uint8Array(ERROR_INFORMATION.$.bits / 8);
  readonly #commands = { read: 0, written: 0 };
  readonly #bytes = { read: 0, written: 0 };

  /** Commands that moved data, and the bytes that they moved. */
  moved(which: 'read' | 'written', bytes: number): void {
    this.#commands[which]++;
    this.#bytes[which] += bytes;
  }

  /** A command has failed. */
  failed({ queue, words }: Command, status: number, phase: number): void {
    this.#errors++;
    this.#last = bytesOf(
      encode(ERROR_INFORMATION, {
        ERROR_COUNT: this.#errors,
        SQID: queue.spec.id,
        CMDID: SQE.CID.get(words),
        STATUS: encode(STATUS_FIELD, { P: phase, ...codesOf(status) })[0]!,
        LBA: queue.spec.id === 0 ? 0 : READ_WRITE.SLBA.big(words),
        NSID: SQE.NSID.get(words),
      }),
    );
  }

  /** The whole of a log page; `undefined` for one that there is not. */
  page(id: number): Uint8Array | undefined {
    switch (id) {
      case LogPage.ERROR_INFORMATION:
        return this.#last;
      case LogPage.SMART:
        return this.#smart();
      case LogPage.FIRMWARE_SLOT:
        return firmwareSlot();
      case LogPage.CHANGED_NAMESPACES:
        return new Uint8Array(CHANGED_NAMESPACES_BYTES);
      default:
        return undefined;
    }
  }

  reset(): void {
    this.#errors = 0;
    this.#last = new Uint8Array(this.#last.length);
    for (const counts of [this.#commands, this.#bytes]) counts.read = counts.written = 0;
  }

  #smart(): Uint8Array {
    return bytesOf(
      encode(SMART, {
        COMPOSITE_TEMPERATURE: ROOM_TEMPERATURE,
        AVAILABLE_SPARE: FULL,
        AVAILABLE_SPARE_THRESHOLD: LEAST_SPARE,
        DATA_UNITS_READ: Math.ceil(this.#bytes.read / DATA_UNIT),
        DATA_UNITS_WRITTEN: Math.ceil(this.#bytes.written / DATA_UNIT),
        HOST_READ_COMMANDS: this.#commands.read,
        HOST_WRITE_COMMANDS: this.#commands.written,
      }),
    );
  }
}

function firmwareSlot(): Uint8Array {
  const bytes = bytesOf(encode(FIRMWARE_SLOT, { AFI_ACTIVE: 1 }));
  putText(bytes, FIRMWARE_REVISION_1, FIRMWARE);
  return bytes;
}
