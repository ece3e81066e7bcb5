const TOKEN = /<!DOCTYPE html>|<(\/?)([A-Za-z][\w-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|[^<]+/y;
const BARE_AMPERSAND = /&(?!(?:amp|lt|gt|quot|#39);)/;

/** What keeps a text from being well-formed as XML, or null. Knows what the benchmark's page uses; comments, CDATA and other entities are faults. */
export function faultOfXml(text: string): string | null {
  const open: string[] = [];
  let at = 0;
  while (at < text.length) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) return `no tag and no text: ${text.slice(at, at + 60)}`;
    const [token, closing, name, , empty] = found;
    if (BARE_AMPERSAND.test(token)) return `a bare ampersand in ${token.slice(0, 60)}`;
    if (name !== undefined && closing === '' && empty === '') open.push(name);
    if (name !== undefined && closing === '/' && open.pop() !== name)
      return `</${name}> closes another element`;
    at += token.length;
  }
  return open.length === 0 ? null : `<${open.join('><')}> not closed`;
}

/** Everything that a browser could fetch. */
export function elsewhere(page: string): string[] {
  const names = page.replaceAll(/xmlns="[^"]*"/g, '');
  return [...names.matchAll(/https?:|\b(?:src|href|xlink|url|@import|script)\b/g)].map(([found]) => found);
}
