/** What was typed in the dialog, as a request. The server checks it: it has the one grammar. */

import { TunnelRequest } from './api';

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
  const port = fields.sshPort.trim();
  const ssh = { ...(jump && { jump }), ...(port && { port: Number(port) }) };
  return {
    ...common,
    host: fields.host.trim(),
    kind: fields.what === 'application' ? 'application' : 'forward',
    forwards: [forward(fields)],
    ...((jump || port) && { ssh })
  };
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
