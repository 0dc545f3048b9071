/** An interrupt message: a write of one word, whose address and data software has chosen. */
import type { MessageSource } from './capabilities/index.ts';
import type { Tlp } from './tlp.ts';

/** Makes `tlp` the message of a vector of `requester`. */
export function interruptMessage(tlp: Tlp, requester: number, source: MessageSource, vector: number): Tlp {
  const message = tlp.memoryWrite(requester, source.addressHi(vector), source.addressLo(vector), 4);
  const data = source.data(vector);
  for (let i = 0; i < 4; i++) message.data![i] = data >>> (i * 8);
  return message;
}
