/** The one function that is used of amaro, whose versions for Node 20 come without declarations. */
declare module 'amaro' {
  export function transformSync(source: string, options: { mode: 'strip-only' }): { code: string };
}
