/** TLPs in words, for traces. Tags are left out: they are running numbers that mean nothing to a reader. */
import { hex, joinHalves } from '../../hardware/bits/index.ts';
import {
  AddressType,
  CompletionStatus,
  formatRequester,
  NO_PASID,
  type Tlp,
  TlpKind,
} from '../../hardware/pcie/index.ts';
import { messageDetail, messageName, translationDetail } from './ats-packets.ts';

const NAMES: Readonly<Record<number, string>> = {
  [TlpKind.MEMORY_READ]: 'MRd',
  [TlpKind.MEMORY_WRITE]: 'MWr',
  [TlpKind.FETCH_ADD]: 'FetchAdd',
  [TlpKind.SWAP]: 'Swap',
  [TlpKind.COMPARE_AND_SWAP]: 'CAS',
  [TlpKind.DEFERRABLE_WRITE]: 'DMWr',
  [TlpKind.COMPLETION]: 'Cpl',
  [TlpKind.COMPLETION_DATA]: 'CplD',
  [TlpKind.CONFIG_READ_0]: 'CfgRd0',
  [TlpKind.CONFIG_WRITE_0]: 'CfgWr0',
  [TlpKind.CONFIG_READ_1]: 'CfgRd1',
  [TlpKind.CONFIG_WRITE_1]: 'CfgWr1',
  [TlpKind.MESSAGE]: 'Msg',
  [TlpKind.MESSAGE_DATA]: 'MsgD',
};

const STATUS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(CompletionStatus).map(([name, code]) => [code, name.toLowerCase().replaceAll('_', ' ')]),
);

/** The TLP's short name and its particulars. */
export function packetText(tlp: Tlp): { readonly packet: string; readonly detail: string } {
  const packet = NAMES[tlp.kind]!;
  if (tlp.isMemoryRequest) return { packet, detail: memoryDetail(tlp) + pasidText(tlp) };
  if (tlp.isMessage) return { packet: `${packet} ${messageName(tlp)}`, detail: messageDetail(tlp) + pasidText(tlp) };
  if (tlp.isConfigRequest) {
    const value = tlp.data === null ? '' : ` = ${hex(tlp.word)}`;
    return {
      packet,
      detail: `${formatRequester(tlp.completer)}, ${tlp.length} bytes at ${hex(tlp.addressLo)}${value}`,
    };
  }
  const bytes = tlp.data === null ? '' : `${tlp.length} bytes${valueText(tlp)}`;
  const status = tlp.status === CompletionStatus.SUCCESSFUL ? '' : (STATUS[tlp.status] ?? `status ${tlp.status}`);
  return { packet, detail: [bytes, status].filter((part) => part !== '').join(', ') };
}

function memoryDetail(tlp: Tlp): string {
  if (tlp.isTranslationRequest) return translationDetail(tlp);
  const translated = tlp.addressType === AddressType.TRANSLATED ? ', translated' : '';
  return `${tlp.length} bytes at ${hex(joinHalves(tlp.addressHi, tlp.addressLo))}${valueText(tlp)}${translated}`;
}

function pasidText({ pasid }: Tlp): string {
  return pasid === NO_PASID ? '' : `, PASID ${pasid}`;
}

/** What a small TLP carries. */
function valueText(tlp: Tlp): string {
  return tlp.data === null || tlp.length > 4 || tlp.length === 0 ? '' : ` = ${hex(tlp.word)}`;
}
