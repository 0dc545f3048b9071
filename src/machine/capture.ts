/** What crosses the links of machines, written down: as a pcapng file, or as text with the words of each header. */
import {
  type CapturedLink,
  type CapturedPacket,
  encodeTlp,
  headerBytes,
  PcapngWriter,
} from '../../hardware/pcie/index.ts';
import { formatTime } from '../../hardware/sim/index.ts';
import { packetText } from './packets.ts';

/** Where a machine puts what crosses its links: a section for each machine, a packet for each TLP. */
export interface Capture {
  section(title: string, links: readonly CapturedLink[]): void;
  packet(packet: CapturedPacket): void;
}

type Write = (bytes: Uint8Array | string) => void;

/** Capture formats by file extension. */
export const CAPTURE_FORMATS: Readonly<Record<string, (write: Write) => Capture>> = {
  pcapng: (write) => new PcapngWriter(write),
  txt: (write) => new TextCapture(write),
};

/** One line for each TLP: when, from where to where, its header in hexadecimal, its name and its particulars. */
class TextCapture implements Capture {
  readonly #write: Write;
  #links: readonly CapturedLink[] = [];

  constructor(write: Write) {
    this.#write = write;
  }

  section(title: string, links: readonly CapturedLink[]): void {
    this.#links = links;
    this.#write(`# ${title}\n`);
  }

  packet({ at, link, direction, tlp }: CapturedPacket): void {
    const { above, below } = this.#links[link]!;
    const way = direction === 'upstream' ? `${below} > ${above}` : `${above} > ${below}`;
    const { packet, detail } = packetText(tlp);
    const header = Array.from(encodeTlp(tlp).subarray(0, headerBytes(tlp)), (byte) =>
      byte.toString(16).padStart(2, '0'),
    );
    const words = header.join('').replace(/.{8}(?=.)/g, '$& ');
    const what = detail === '' ? packet : `${packet}  (${detail})`;
    this.#write(`${formatTime(at).padStart(14)}  ${way.padEnd(16)}  [${words}]  ${what}\n`);
  }
}
