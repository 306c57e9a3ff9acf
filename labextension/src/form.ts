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
    forwards: [forward(fields)],
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

/**
 * Where the wrong part stands in what was typed; null if that cannot be told.
 *
 * The server quotes a word of the line, and a forward always as `-L …`, however that was typed or
 * put together from fields. So this looks for what is quoted, for what stands behind the option, and
 * for the wrong part alone.
 */
export function locate(fields: Fields, where: Where): Place | null {
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

/** The forward as ssh(1) writes it. */
function forward(fields: Fields): string {
  const far = fields.destination.trim();
  const near = fields.bind.trim() || portOf(far);
  switch (fields.what) {
    case 'application':
      return `-L private:${address(far)}`;
    case 'local':
      return `-L ${near}:${address(far)}`;
    case 'remote':
      return `-R ${near}:${address(far)}`;
    case 'dynamic':
      return `-D ${fields.bind.trim()}`;
  }
}

/** A port alone means the machine itself. */
function address(text: string): string {
  return /^\d+$/.test(text) ? `localhost:${text}` : text;
}

function portOf(text: string): string {
  return text.slice(text.lastIndexOf(':') + 1);
}
