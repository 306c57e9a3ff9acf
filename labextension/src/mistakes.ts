/** What is wrong with what was typed in the dialog, in the words of its fields. */

import { TranslationBundle } from '@jupyterlab/translation';

import {
  Fields,
  isForward,
  locate,
  Place,
  shownFields,
  TextKey,
  wholeOf
} from './form';
import { inOurWords } from './format';
import { TunnelError } from './restapi';

/** What is wrong, what to do, and where it stands, if that can be told. */
export interface Mistake {
  message: string;
  hint: string;
  place: Place | null;
}

/** The label of a field. */
export function labelOf(
  field: TextKey,
  { what }: Pick<Fields, 'what'>,
  trans: TranslationBundle
): string {
  switch (field) {
    case 'command':
      return trans.__('A command of ssh, or user@host:port');
    case 'host':
      return trans.__('Remote host');
    case 'destination':
      return what === 'remote'
        ? trans.__('Port on this machine')
        : trans.__('Port on the remote host');
    case 'bind':
      return what === 'remote'
        ? trans.__('Port on the remote host (0: any free one)')
        : trans.__('Port on this machine (0: any free one)');
    case 'jump':
      return trans.__('Through the host (optional)');
    case 'sshPort':
      return trans.__('Port of ssh');
    case 'name':
      return trans.__('Name (optional)');
  }
}

/** What the server would not refuse, or not tell the place of; null if it is all right. */
export function misread(
  fields: Fields,
  trans: TranslationBundle
): Mistake | null {
  if (fields.mode === 'command') {
    return null;
  }
  const port = fields.sshPort;
  if (port && !(1 <= Number(port) && Number(port) <= 65535)) {
    return {
      message: trans.__('%1 is not a port.', port),
      hint: trans.__('It lies between 1 and 65535; that of ssh is mostly 22.'),
      place: wholeOf(fields, 'sshPort')
    };
  }
  // In a command, this is the port of an application.
  const host = fields.host.trimEnd();
  if (/^[^:/]+:\d+$/.test(host)) {
    return {
      message: trans.__('No port belongs behind the remote host here.'),
      hint: trans.__('Each port has a field of its own.'),
      place: { field: 'host', start: host.indexOf(':'), end: host.length }
    };
  }
  return null;
}

/** Why the server refused what was typed. */
export function explain(
  fields: Fields,
  error: TunnelError,
  trans: TranslationBundle
): Mistake {
  const { where } = error;
  const { hint, message } = inOurWords(error, trans);
  const place = where ? locate(fields, where) : suspect(fields, error);
  if (place?.field === 'name' && !where) {
    return {
      message,
      hint: trans.__('Choose another name, or close that tunnel first.'),
      place
    };
  }
  if (!place || !where || !isForward(fields, where)) {
    return { message, hint, place };
  }
  // The options of ssh, of which a person who fills in fields need not know.
  const speaksOfSsh = /(^|\s)-[DLR]\b/.test(message);
  const label = unadorned(labelOf(place.field, fields, trans));
  return {
    message: `${label}: ${speaksOfSsh ? trans.__('this cannot be used here.') : message}`,
    hint: hintOf(place.field, fields, trans),
    place
  };
}

/** The field that an error is about which quotes nothing. */
function suspect(fields: Fields, error: TunnelError): Place | null {
  const shown = shownFields(fields);
  const names = (key: TextKey): boolean => {
    const text = fields[key].trim();
    return shown.includes(key) && !!text && error.message.includes(text);
  };
  if (error.code === 'conflict' && names('name')) {
    return wholeOf(fields, 'name');
  }
  if (error.code === 'port_in_use' && shown.includes('bind')) {
    return wholeOf(fields, 'bind');
  }
  if (error.code === 'host_unresolved' && shown.includes('host')) {
    return wholeOf(fields, names('jump') ? 'jump' : 'host');
  }
  return null;
}

function hintOf(
  field: TextKey,
  { what }: Fields,
  trans: TranslationBundle
): string {
  if (what === 'dynamic') {
    return trans.__('A port, such as 1080, or 0 for any free one.');
  }
  return field === 'bind'
    ? trans.__(
        'A port, such as 5006 (0: any free one), or the path of a socket.'
      )
    : trans.__(
        'A port, such as 5006, a host and its port, such as db:5432, or the path of a socket.'
      );
}

/** A label without what it says in brackets. */
function unadorned(label: string): string {
  return label.replace(/\s*\(.*\)$/, '');
}
