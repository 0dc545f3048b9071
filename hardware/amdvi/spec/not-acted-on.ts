export function whyNotActedOn(_row: string): string | undefined {
  return undefined;
}
