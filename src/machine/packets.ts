/** TLPs in words, for traces. Tags are left out: they are running numbers that mean nothing to a reader. */
import { hex, joinHalves } from '../../hardware/bits/index.ts';
import { CompletionStatus, formatRequester, NO_PASID, type Tlp, TlpKind } from '../../hardware/pcie/index.ts';

const NAMES: Readonly<Record<number, string>> = {
  [TlpKind.MEMORY_READ]: 'MRd',
  [TlpKind.MEMORY_WRITE]: 'MWr',
  [TlpKind.COMPLETION]: 'Cpl',
  [TlpKind.COMPLETION_DATA]: 'CplD',
  [TlpKind.CONFIG_READ_0]: 'CfgRd0',
  [TlpKind.CONFIG_WRITE_0]: 'CfgWr0',
};

const STATUS: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(CompletionStatus).map(([name, code]) => [code, name.toLowerCase().replaceAll('_', ' ')]),
);

/** The TLP's short name and its particulars. */
export function packetText(tlp: Tlp): { readonly packet: string; readonly detail: string } {
  const packet = NAMES[tlp.kind] ?? `TLP ${tlp.kind}`;
  const pasid = tlp.pasid === NO_PASID ? '' : `, PASID ${tlp.pasid}`;
  if (tlp.isMemoryRequest) {
    return {
      packet,
      detail: `${tlp.length} bytes at ${hex(joinHalves(tlp.addressHi, tlp.addressLo))}${valueText(tlp)}${pasid}`,
    };
  }
  if (tlp.kind === TlpKind.CONFIG_READ_0 || tlp.kind === TlpKind.CONFIG_WRITE_0) {
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

/** What a small TLP carries. */
function valueText(tlp: Tlp): string {
  return tlp.data === null || tlp.length > 4 || tlp.length === 0 ? '' : ` = ${hex(tlp.word)}`;
}
