/** What was typed in the dialog, as a request. The server checks it: it has the one grammar. */

import { TunnelRequest, Where } from './api';

/** The fields of the dialog, as they stand there. */
export interface Fields {
  mode: 'command' | 'fields';
  /** A line of ssh or autossh, or `user@host:port`. */
  command: string;
  host: string;
  what: 'application' | 'local' | 'remote' | 'dynamic';
  /** The far end: a port, `host:port` or the path of a socket. */
  destination: string;
  /** Where the near end listens: a port, `host:port` or the path of a socket. */
  bind: string;
  sshPort: string;
  jump: string;
  name: string;
  pick: boolean;
}

/** The fields in which text is typed. */
export type TextKey = Exclude<keyof Fields, 'mode' | 'what' | 'pick'>;

export const EMPTY: Fields = {
  mode: 'command',
  command: '',
  host: '',
  what: 'application',
  destination: '',
  bind: '',
  sshPort: '',
  jump: '',
  name: '',
  pick: false
};

/** The request for what was typed. */
export function toRequest(fields: Fields): TunnelRequest {
  const common: TunnelRequest = {
    ...(fields.name.trim() && { name: fields.name.trim() }),
    ...(fields.pick && { on_conflict: 'pick' })
  };
  if (fields.mode === 'command') {
    return { ...common, command: fields.command.trim() };
  }
  const jump = fields.jump.trim();
  const port = fields.sshPort;
  const ssh = { ...(jump && { jump }), ...(port && { port: Number(port) }) };
  return {
    ...common,
    host: fields.host.trim(),
    kind: fields.what === 'application' ? 'application' : 'forward',
    forwards: [forwardOf(fields)],
    ...((jump || port) && { ssh })
  };
}

/** The text fields that the dialog shows, in their order. */
export function shownFields({ mode, what }: Fields): TextKey[] {
  if (mode === 'command') {
    return ['command', 'name'];
  }
  return [
    'host',
    ...(what === 'dynamic' ? [] : (['destination'] as const)),
    ...(what === 'application' ? [] : (['bind'] as const)),
    'jump',
    'sshPort',
    'name'
  ];
}

/** Where something stands in what was typed. */
export interface Place {
  field: TextKey;
  start: number;
  end: number;
}

/** The whole of a field. */
export function wholeOf(fields: Fields, field: TextKey): Place {
  return { field, start: 0, end: fields[field].length };
}

/** Where the wrong part stands in what was typed; null if that cannot be told. */
export function locate(fields: Fields, where: Where): Place | null {
  return isForward(fields, where)
    ? locateInPieces(fields, where)
    : locateInText(fields, where);
}

/** Whether what the server quotes is the forward that was put together from fields. */
export function isForward(fields: Fields, { text }: Where): boolean {
  return fields.mode === 'fields' && text === forwardOf(fields);
}

/** The last field that has a share in the wrong part: what is missing is missing at the far end. */
function locateInPieces(fields: Fields, { start, end }: Where): Place | null {
  let found: Place | null = null;
  let from = 0;
  for (const { text, field, at = 0 } of pieces(fields)) {
    const to = from + text.length;
    const first = Math.max(start, from);
    const last = Math.min(end, to);
    if (field && first <= last) {
      const moved = at - from;
      found = { field, start: first + moved, end: last + moved };
    }
    from = to;
  }
  return found;
}

/**
 * The server quotes a word of the line, and a forward always as `-L …`, however that was typed. So
 * this looks for what is quoted, for what stands behind the option, and for the wrong part alone.
 */
function locateInText(fields: Fields, where: Where): Place | null {
  const { text, start, end } = where;
  const quotes = [
    [0, text.length],
    ['-L '.length, text.length],
    [start, end]
  ] as const;
  for (const [from, to] of quotes.filter(([from]) => from <= start)) {
    const found = find(fields, text.slice(from, to));
    if (found) {
      const moved = found.start - from;
      return { field: found.field, start: start + moved, end: end + moved };
    }
  }
  return null;
}

/** Where `text` stands, if that is at one place only. */
function find(
  fields: Fields,
  text: string
): Pick<Place, 'field' | 'start'> | null {
  const [field, ...others] = shownFields(fields).filter(key =>
    fields[key].includes(text)
  );
  if (!text || !field || others.length > 0) {
    return null;
  }
  const [before, ...behind] = fields[field].split(text);
  return behind.length === 1 ? { field, start: before!.length } : null;
}

/** A piece of a forward, and where in which field it was typed. */
interface Piece {
  text: string;
  field?: TextKey;
  at?: number;
}

/** The forward as ssh(1) writes it. */
function forwardOf(fields: Fields): string {
  return pieces(fields)
    .map(({ text }) => text)
    .join('');
}

function pieces(fields: Fields): Piece[] {
  const far = typed(fields, 'destination');
  const near = fields.bind.trim() ? typed(fields, 'bind') : portOf(far);
  // A port alone means the machine itself.
  const address: Piece[] = /^\d+$/.test(far.text)
    ? [{ text: 'localhost:' }, far]
    : [far];
  switch (fields.what) {
    case 'application':
      return [{ text: '-L private:' }, ...address];
    case 'local':
      return [{ text: '-L ' }, near, { text: ':' }, ...address];
    case 'remote':
      return [{ text: '-R ' }, near, { text: ':' }, ...address];
    case 'dynamic':
      return [{ text: '-D ' }, typed(fields, 'bind')];
  }
}

function typed(fields: Fields, field: TextKey): Piece {
  const text = fields[field].trim();
  return { text, field, at: fields[field].indexOf(text) };
}

/** The port at the far end, which the near end takes where none is typed; '' while there is none. */
export function portAsked(fields: Fields): string {
  return portOf(typed(fields, 'destination')).text;
}

function portOf({ text, field, at = 0 }: Piece): Piece {
  const start = text.lastIndexOf(':') + 1;
  return { text: text.slice(start), field, at: at + start };
}
