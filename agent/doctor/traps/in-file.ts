import type { Examination } from '../examination.ts';
import type { FileLine, HaproxyFile } from '../haproxy-file/file.ts';
import { backendOf, linesFor, serverSettings, type ServerSettings } from '../haproxy-file/settings.ts';
import { CLEAR, found, inside, together, unseen, type Sighting, type Trap } from '../trap.ts';

/** How a trap is looked for in haproxy.cfg: at each server of this node that the file has. */

export const NO_FILE = 'no socket shows it: give the file of HAProxy with --haproxy-config FILE';

/** One server of this node in the file. */
export interface FileServer {
  readonly examined: Examination;
  readonly file: HaproxyFile;
  readonly backend: string;
  readonly server: string;
  readonly lines: readonly FileLine[];
  readonly settings: ServerSettings;
}

/** Looks at each server of this node that the file has. */
function inFile(examined: Examination, look: (place: FileServer) => Sighting): Sighting {
  if (examined.file === null) return unseen(NO_FILE);
  return inside(examined.file, (file) => {
    const names = new Set(examined.haproxies.flatMap(({ config }) => config.servers));
    const places = [...names].map((name) => ({ name, place: placeOf(examined, file, name) }));
    if (places.every(({ place }) => place === null))
      return unseen(`${file.path} has none of this node's servers`);
    const sightings = places.map(({ name, place }) =>
      place === null ? unseen(`${file.path} has no server ${name}`) : look(place),
    );
    sightings.push(ofOthers(examined, file));
    if (file.unread.length > 0)
      sightings.push(unseen(`${file.path}: lines that could not be read: ${file.unread.join(', ')}`));
    const all = together(sightings);
    return { ...all, found: [...new Set(all.found)] };
  });
}

/** One file shows one HAProxy: whether the others run with the same lines is unknown. */
export function ofOthers({ haproxies }: Examination, { path }: HaproxyFile): Sighting {
  if (haproxies.length < 2) return CLEAR;
  return unseen(
    `${path} is the file of one HAProxy, and this node has ${haproxies.length}: ask again with the file of each`,
  );
}

function placeOf(examined: Examination, file: HaproxyFile, name: string): FileServer | null {
  const [backend = '', server = ''] = name.split('/');
  const section = backendOf(file, backend);
  if (section === null) return null;
  const lines = linesFor(file, section);
  const settings = serverSettings(lines, server);
  return settings && { examined, file, backend, server, lines, settings };
}

/** `haproxy.cfg:12: backend app: option persist` */
export function at({ file, backend }: FileServer, line: Pick<FileLine, 'number'>, what: string): string {
  return `${file.path}:${line.number}: backend ${backend}: ${what}`;
}

/** A line that is there is the trap. */
export function line(place: FileServer, seen: FileLine | null): Sighting {
  if (seen === null) return CLEAR;
  const text = seen.words.join(' ');
  return found(at(place, seen, seen.conditional ? `${text} (where its .if holds)` : text));
}

export function setting(place: FileServer, text: string): Sighting {
  return found(at(place, place.settings, `server ${place.server}: ${text}`));
}

/** A trap that no socket shows, and haproxy.cfg does. */
export interface FileTrap extends Omit<Trap, 'look'> {
  readonly see: (place: FileServer) => Sighting;
}

/** The entry of the table. */
export function fileTrap({ see, ...trap }: FileTrap): Trap {
  return { ...trap, look: (examined) => inFile(examined, see) };
}
