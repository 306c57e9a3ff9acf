import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Host } from '../src/api';
import { HostBook, matching, wayOf } from '../src/hosts';
import { TunnelAPI } from '../src/restapi';
import { alias } from './samples';
import { Answer, Seen, TestServer } from './server';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let answer: Answer;
let server: TestServer;
let hosts: HostBook;

beforeEach(async () => {
  const other = alias('me@gpu01', { alias: false });
  answer = { body: { hosts: [alias('gpu01'), other], problem: null } };
  server = new TestServer(() => answer);
  hosts = new HostBook(new TunnelAPI(await server.start(), trans));
});

afterEach(() => server.stop());

describe('the hosts', () => {
  it('are the aliases, asked for quietly and only when somebody does', async () => {
    expect(server.seen).toEqual([]);
    let told = 0;
    hosts.changed.connect(() => {
      told += 1;
    });
    await hosts.refresh();
    expect(hosts.aliases).toEqual([alias('gpu01')]);
    expect(hosts.problem).toBeNull();
    expect(told).toBe(1);
    const [{ url }] = server.seen as [Seen];
    expect(url.pathname).toBe('/base/remote-tunnel/api/hosts');
    expect(url.searchParams.get('no_track_activity')).toBe('1');
    expect(server.seen).toHaveLength(1);
  });

  it('are asked for once at a time', async () => {
    await Promise.all([hosts.refresh(), hosts.refresh()]);
    expect(server.seen).toHaveLength(1);
    await hosts.refresh();
    expect(server.seen).toHaveLength(2);
  });

  it('are fewer for a reason', async () => {
    const problem = { code: 'x', message: 'No file.', hint: '', hop: null };
    answer = { body: { hosts: [], problem } };
    await hosts.refresh();
    expect(hosts.problem).toEqual(problem);
  });

  it('stay while the server is in trouble', async () => {
    await hosts.refresh();
    answer = { status: 503, body: 'Service Unavailable' };
    await hosts.refresh();
    expect(hosts.aliases).toEqual([alias('gpu01')]);
    expect(hosts.problem!.message).toContain('503');
    answer = { body: { hosts: [], problem: null } };
    await hosts.refresh();
    expect(hosts.aliases).toEqual([]);
    expect(hosts.problem).toBeNull();
  });
});

it.each([
  [{}, ''],
  [{ user: 'ann' }, 'ann@a'],
  [{ port: 2222 }, 'a:2222'],
  [{ host_name: 'a.org' }, 'a.org'],
  [{ host_name: '::1', user: 'ann', port: 2222 }, 'ann@[::1]:2222']
] as [Partial<Host>, string][])('the way of %j is “%s”', (change, way) => {
  expect(wayOf(alias('a', change))).toBe(way);
});

it.each([
  ['', 'ab'],
  ['GPU', 'a'],
  ['org ann', 'a'],
  ['ann b', '']
])('“%s” matches “%s”', (words, expected) => {
  const some = [
    alias('a', { host_name: 'gpu.org', user: 'ann' }),
    alias('b', { user: 'bo' })
  ];
  const found = matching(some, words).map(({ host }) => host);
  expect(found.join('')).toBe(expected);
});
