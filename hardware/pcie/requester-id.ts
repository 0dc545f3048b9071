/** Who sends what: names of functions in TLPs. */

/** Bus, device and function as the 16-bit id that travels in TLPs. */
export function requesterId(bus: number, device: number, fn: number): number {
  return (bus << 8) | (device << 3) | fn;
}

/** `bb:dd.f` of a requester id. */
export function formatRequester(id: number): string {
  const part = (value: number) => value.toString(16).padStart(2, '0');
  return `${part(id >>> 8)}:${part((id >>> 3) & 31)}.${id & 7}`;
}
