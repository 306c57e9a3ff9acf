import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { TunnelAPI } from '../src/restapi';
import { Walk } from '../src/walk';
import { diagnosis, tunnel, walked } from './samples';
import { Answer, TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let answer: Answer | Promise<Answer>;
let server: TestServer;
let api: TunnelAPI;
let manager: ListedTunnels;
let walk: Walk;
/** What each change has shown. */
let shown: [boolean, boolean][];

beforeEach(async () => {
  answer = { body: walked(diagnosis()) };
  server = new TestServer(() => answer);
  manager = new ListedTunnels();
  api = new TunnelAPI(await server.start(), trans);
  walk = new Walk(api, manager, 'gpu01');
  shown = [];
  walk.changed.connect(({ diagnosis, isBusy }) =>
    shown.push([isBusy, diagnosis !== null])
  );
});

afterEach(() => server.stop());

describe('a walk', () => {
  it('finds something', async () => {
    await walk.start();
    expect(walk.diagnosis).toEqual(diagnosis());
    expect(shown).toEqual([
      ...Array(1 + diagnosis().steps.length).fill([true, false]),
      [false, true]
    ]);
    expect(server.seen[0]!.headers.accept).toBe('application/x-ndjson');
    walk.gatewayPorts = true;
    await walk.start();
    expect(server.seen.map(({ body }) => body)).toEqual(
      [false, true].map(gateway_ports => ({
        host: 'gpu01',
        gateway_ports
      }))
    );
  });

  it('shows each step as it comes, in whatever pieces', async () => {
    const [first, second, ...rest] = walked(diagnosis())
      .split(/(?<=\n)/)
      .map(line => Buffer.from(line));
    let next = (): void => undefined;
    async function* pieces(): AsyncGenerator<Buffer> {
      yield first!;
      await new Promise<void>(resolve => (next = resolve));
      yield second!.subarray(0, 20);
      yield Buffer.concat([second!.subarray(20), ...rest]);
    }
    answer = { body: pieces() };
    const going = walk.start();
    await vi.waitFor(() =>
      expect(walk.steps).toEqual(diagnosis().steps.slice(0, 1))
    );
    expect([walk.isBusy, walk.diagnosis]).toEqual([true, null]);
    await vi.waitFor(() => {
      next();
      expect(walk.steps).toHaveLength(4);
    });
    await going;
    expect(walk.diagnosis).toEqual(diagnosis());
  });

  it('that breaks off keeps its steps and says so', async () => {
    const lines = walked(diagnosis()).split(/(?<=\n)/);
    for (const [end, code] of [
      ['', 'server_unreachable'],
      ['not JSON\n', 'server_unreachable'],
      [JSON.stringify({ error: { code: 'engine_died' } }), 'engine_died']
    ]) {
      answer = { body: lines[0]! + end };
      await walk.start();
      expect(walk.error).toMatchObject({ code });
      expect(walk.steps).toEqual(diagnosis().steps.slice(0, 1));
    }
  });

  it('is under way once, and what is asked meanwhile is looked for', async () => {
    const going = walk.start();
    void walk.start();
    expect(manager.watching).toBe(1);
    await going;
    expect(manager.watching).toBe(0);
    expect(server.seen).toHaveLength(1);
  });

  it('is refused', async () => {
    const problem = { code: 'not_allowed', message: 'No.', hint: 'Ask.' };
    answer = { status: 403, body: problem };
    await walk.start();
    expect(walk.error).toMatchObject(problem);
    expect(walk.diagnosis).toBeNull();
    answer = { body: walked(diagnosis()) };
    await walk.start();
    expect(walk.error).toBeNull();
  });

  it('is cancelled, and then begun again', async () => {
    answer = new Promise(() => undefined);
    const going = walk.start();
    await vi.waitFor(() => expect(server.seen).toHaveLength(1));
    walk.cancel();
    await going;
    expect([walk.isBusy, walk.isCancelled, walk.error]).toEqual([
      false,
      true,
      null
    ]);
    answer = { body: walked(diagnosis()) };
    await walk.start();
    expect([walk.isCancelled, walk.diagnosis!.ok]).toEqual([false, false]);
  });
});

it('of a tunnel is by its id, as all that was typed for it counts', async () => {
  const one = tunnel({ host: 'gpu01' });
  answer = { body: walked(diagnosis()) };
  await new Walk(api, manager, one.host, one).start();
  expect(server.seen.map(({ body }) => body)).toEqual([
    { tunnel: one.id, gateway_ports: false }
  ]);
});
