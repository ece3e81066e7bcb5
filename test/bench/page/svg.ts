/** Text that may stand in an element or an attribute. What XML cannot hold at all becomes U+FFFD. */
export function escape(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A picture of its own size, scaled down where the page is narrower. `label` is read aloud instead of it. */
export function picture(width: number, height: number, label: string, parts: readonly string[]): string {
  const size = `viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escape(label)}">${parts.join('')}</svg>`;
}

export interface TextPlace {
  readonly x: number;
  readonly y: number;
  readonly anchor?: 'start' | 'middle' | 'end';
}

export function textAt({ x, y, anchor = 'start' }: TextPlace, text: string): string {
  return `<text x="${pixel(x)}" y="${pixel(y)}" text-anchor="${anchor}">${escape(text)}</text>`;
}

/** With a tenth of a pixel. */
export function pixel(value: number): string {
  return String(Number(value.toFixed(1)));
}
