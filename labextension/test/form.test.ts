import { describe, expect, it } from 'vitest';

import {
  EMPTY,
  Fields,
  locate,
  Place,
  portAsked,
  toRequest
} from '../src/form';

const parts: Fields = { ...EMPTY, mode: 'fields', host: ' me@gpu01 ' };

describe('toRequest', () => {
  it('passes a pasted command on as it is', () => {
    const command = ' ssh -NfL 5006:localhost:5006 me@gpu01 ';
    expect(toRequest({ ...EMPTY, command, host: 'ignored' })).toEqual({
      command: command.trim()
    });
  });

  it('adds a name, and the wish for another port', () => {
    const fields = {
      ...EMPTY,
      command: 'gpu01:5006',
      name: ' plot ',
      pick: true
    };
    expect(toRequest(fields)).toEqual({
      command: 'gpu01:5006',
      name: 'plot',
      on_conflict: 'pick'
    });
  });

  it('shows an application over a private socket', () => {
    expect(toRequest({ ...parts, destination: '5006' })).toEqual({
      host: 'me@gpu01',
      kind: 'application',
      forwards: ['-L private:localhost:5006']
    });
  });

  it.each([
    [{ what: 'local', destination: '5006' }, '-L 5006:localhost:5006'],
    [{ what: 'local', destination: 'db:5432', bind: '0' }, '-L 0:db:5432'],
    [{ what: 'local', destination: '[::1]:80', bind: '' }, '-L 80:[::1]:80'],
    [
      { what: 'local', destination: '/run/db.sock', bind: '5432' },
      '-L 5432:/run/db.sock'
    ],
    [{ what: 'remote', destination: '8888', bind: '0' }, '-R 0:localhost:8888'],
    [{ what: 'dynamic', destination: '5006', bind: '1080' }, '-D 1080']
  ] as [Partial<Fields>, string][])('writes %j as %s', (fields, expected) => {
    expect(toRequest({ ...parts, ...fields }).forwards).toEqual([expected]);
  });

  it('goes through another host', () => {
    const fields = { ...parts, destination: '80', jump: 'gw', sshPort: '2222' };
    expect(toRequest(fields).ssh).toEqual({ jump: 'gw', port: 2222 });
  });
});

it.each([
  ['', ''],
  ['5006', '5006'],
  [' db:5432 ', '5432'],
  ['[::1]:80', '80']
])('takes for the far end “%s” the same port “%s”', (destination, port) => {
  expect(portAsked({ ...parts, destination })).toBe(port);
});

describe('locate', () => {
  /** The part that a place points at, with its field. */
  function pointed(fields: Fields, place: Place | null): string | null {
    return (
      place &&
      `${place.field}: ${fields[place.field].slice(place.start, place.end)}`
    );
  }

  const word = { text: '-L 5006:localhost:99999', start: 18, end: 23 };

  it.each([
    ['ssh -L 5006:localhost:99999 gpu01', 'command: 99999'],
    // The option was written another way than it is quoted.
    ['ssh -NfL 5006:localhost:99999 gpu01 # 99999', 'command: 99999'],
    ['ssh -NfL "5006":localhost:99999 gpu01', 'command: 99999'],
    // Which of them?
    ['ssh -NfL "5006":localhost:99999 99999', null],
    ['ssh gpu01', null]
  ])('finds the wrong part of %s', (command, expected) => {
    const fields = { ...EMPTY, command };
    expect(pointed(fields, locate(fields, word))).toBe(expected);
  });

  it('points at the right one of two equal parts', () => {
    const wrong = { text: '-L 99999:localhost:99999', start: 19, end: 24 };
    const fields = { ...EMPTY, command: 'ssh -L 99999:localhost:99999 gpu01' };
    expect(locate(fields, wrong)).toEqual({
      field: 'command',
      start: 23,
      end: 28
    });
  });

  it('points behind what ends too early', () => {
    const wrong = { text: '-L 5006:', start: 8, end: 8 };
    const fields = { ...EMPTY, command: 'ssh -L 5006:' };
    expect(locate(fields, wrong)).toEqual({
      field: 'command',
      start: 12,
      end: 12
    });
  });

  it.each([
    [{ what: 'local', destination: '99999' }, [19, 24], 'destination: 99999'],
    // The same text in two fields.
    [
      { what: 'local', destination: '99999', bind: '99999' },
      [3, 8],
      'bind: 99999'
    ],
    [
      { what: 'local', destination: '99999', bind: '99999' },
      [19, 24],
      'destination: 99999'
    ],
    // The near end was not typed: it is that of the far one.
    [{ what: 'local', destination: 'db:x' }, [3, 4], 'destination: x'],
    [
      { what: 'application', destination: ' gpu02' },
      [3, 16],
      'destination: gpu02'
    ],
    // All of it is wrong: the far end is.
    [
      { what: 'remote', destination: 'db', bind: '0' },
      [3, 7],
      'destination: db'
    ],
    // Something is missing.
    [{ what: 'application', destination: 'db:' }, [14, 14], 'destination: '],
    [{ what: 'dynamic', bind: '1:2:3' }, [7, 8], 'bind: 3']
  ] as [Partial<Fields>, [number, number], string][])(
    'finds the field of %j',
    (change, [start, end], expected) => {
      const fields = { ...parts, ...change };
      const text = toRequest(fields).forwards![0]!;
      expect(pointed(fields, locate(fields, { text, start, end }))).toBe(
        expected
      );
    }
  );

  it('finds the host', () => {
    const host = { text: 'me@gpu01', start: 0, end: 2 };
    expect(pointed(parts, locate(parts, host))).toBe('host: me');
  });
});
