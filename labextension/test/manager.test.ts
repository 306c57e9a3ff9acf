import { Event } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { Stream } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Prompt, TunnelStatus } from '../src/api';
import { TunnelManager } from '../src/manager';
import { TunnelAPI } from '../src/restapi';
import { application, prompt, tunnel } from './samples';
import { Answer, TestServer } from './server';

const SCHEMA = 'https://schema.jupyter.org/jupyter_remote_tunnel/tunnel/v1';
const trans = nullTranslator.load('jupyter_remote_tunnel');

let tunnels: TunnelStatus[];
let prompts: Prompt[];
let trouble: Answer | null;
/** Fulfilled before anything is answered. */
let gate: Promise<void>;
/** Fulfilled before what is posted is answered. */
let opening: Promise<void>;
let server: TestServer;
let events: Stream<Event.IManager, Event.Emission>;
let api: TunnelAPI;
let manager: TunnelManager;

beforeEach(async () => {
  tunnels = [tunnel()];
  prompts = [];
  trouble = null;
  gate = Promise.resolve();
  opening = Promise.resolve();
  server = new TestServer(async ({ method, url }) => {
    await gate;
    if (trouble) {
      return trouble;
    }
    if (url.pathname.endsWith('/apps')) {
      return {
        body: {
          apps: [application()],
          views: { origin: true, names: '{id}.localhost', path: '/' }
        }
      };
    }
    if (method === 'GET' && url.pathname.endsWith('/prompts')) {
      const others = [{ id: 'x', hop: 'gw', tunnels: [], waits_for: ['Bob'] }];
      return { body: { prompts, others } };
    }
    if (method === 'GET') {
      return { body: { tunnels } };
    }
    await opening;
    return { body: { tunnel: tunnels[0] } };
  });
  events = new Stream({} as Event.IManager);
  api = new TunnelAPI(await server.start(), trans);
  manager = new TunnelManager(api, events as Event.Stream, Promise.resolve());
});

afterEach(async () => {
  manager.dispose();
  await server.stop();
});

/** Fulfilled at the next change of the list. */
function changed(): Promise<void> {
  return new Promise(resolve => {
    const slot = (): void => {
      manager.changed.disconnect(slot);
      resolve();
    };
    manager.changed.connect(slot);
  });
}

function lists(): number {
  return server.seen.filter(({ url }) => url.pathname.endsWith('/tunnels'))
    .length;
}

describe('the list', () => {
  it('is there when the manager is ready', async () => {
    await manager.ready;
    expect(manager.tunnels).toEqual([tunnel()]);
    expect(manager.applications).toEqual([application()]);
    expect(manager.originNames).toBe('{id}.localhost');
    expect(manager.problem).toBeNull();
  });

  it('is not fetched before its time, unless somebody wants it', async () => {
    await manager.ready;
    const before = lists();
    let come = (): void => undefined;
    const time = new Promise<void>(resolve => (come = resolve));
    const later = new TunnelManager(api, events as Event.Stream, time);
    const wanted = new TunnelManager(api, events as Event.Stream, time);
    await wanted.ready;
    expect(lists()).toBe(before + 1);
    expect(later.tunnels).toEqual([]);
    const change = new Promise<void>(resolve =>
      later.changed.connect(() => resolve())
    );
    come();
    await change;
    expect(later.tunnels).toEqual([tunnel()]);
    expect(lists()).toBe(before + 2);
    later.dispose();
    wanted.dispose();
  });

  it('is fetched again after an event of ours', async () => {
    await manager.ready;
    tunnels = [tunnel({ state: 'reconnecting' })];
    const change = changed();
    events.emit({ schema_id: SCHEMA, tunnel_id: 'x', state: 'reconnecting' });
    await change;
    expect(manager.tunnels[0]!.state).toBe('reconnecting');
  });

  it('is not fetched after an event of others', async () => {
    await manager.ready;
    const before = lists();
    events.emit({ schema_id: 'https://schema.jupyter.org/other' });
    await manager.refresh();
    expect(lists()).toBe(before + 1);
  });

  it('tells what is asked, and of whom else', async () => {
    await manager.ready;
    expect(manager.prompts).toEqual([]);
    expect(manager.others.map(({ waits_for }) => waits_for)).toEqual([['Bob']]);
    prompts = [prompt()];
    const change = changed();
    events.emit({ schema_id: SCHEMA, tunnel_id: 'x', state: 'connecting' });
    await change;
    expect(manager.prompts).toEqual([prompt()]);
  });

  it('is fetched quietly', async () => {
    await manager.ready;
    for (const { url } of server.seen) {
      expect(url.searchParams.get('no_track_activity')).toBe('1');
    }
  });

  it('is fetched once for many events, and not before the running fetch ends', async () => {
    await manager.ready;
    const before = lists();
    let open: () => void = () => undefined;
    gate = new Promise(resolve => {
      open = resolve;
    });
    const fetches = Array.from({ length: 20 }, () => manager.refresh());
    open();
    await Promise.all(fetches);
    expect(lists()).toBe(before + 2);
  });

  it('is told about only when it is another one', async () => {
    await manager.ready;
    let told = 0;
    manager.changed.connect(() => {
      told += 1;
    });
    await manager.refresh();
    expect(told).toBe(0);
    tunnels = [];
    await manager.refresh();
    expect(told).toBe(1);
  });

  it('is fetched when the page is looked at again', async () => {
    await manager.ready;
    tunnels = [];
    const change = changed();
    document.dispatchEvent(new window.Event('visibilitychange'));
    await change;
    expect(manager.tunnels).toEqual([]);
  });
});

describe('the slow poll', () => {
  it('notices what no event told, at the pace that was set', async () => {
    await manager.ready;
    tunnels = [];
    const change = changed();
    manager.setInterval(0.01);
    await change;
    expect(manager.tunnels).toEqual([]);
  });
});

describe('who watches', () => {
  it('sees at once, and soon again, what no event told', async () => {
    await manager.ready;
    manager.setInterval(3600);
    tunnels = [];
    const first = changed();
    const watch = manager.watch();
    await first;
    tunnels = [tunnel()];
    await changed();
    expect(manager.tunnels).toEqual([tunnel()]);
    watch.dispose();
  });
});

describe('a server in trouble', () => {
  it('leaves the last list, in no known state, and says why', async () => {
    await manager.ready;
    trouble = { status: 503, body: 'Service Unavailable' };
    await manager.refresh();
    expect(manager.tunnels).toEqual([tunnel({ state: 'unknown' })]);
    expect(manager.prompts).toEqual([]);
    expect(manager.others).toEqual([]);
    expect(manager.problem?.message).toContain('503');
    trouble = null;
    await manager.refresh();
    expect(manager.tunnels).toEqual([tunnel()]);
    expect(manager.problem).toBeNull();
  });
});

describe('what a person does', () => {
  it.each([
    ['open', () => manager.open({ command: 'gpu01:5006' })],
    ['restart', () => manager.restart('x')],
    ['close', () => manager.close('x')],
    ['answer', () => manager.answer('x', { answers: [] })],
    ['giveUp', () => manager.giveUp('x')]
  ] as [string, () => Promise<unknown>][])(
    '%s: the list is fetched afterwards, also after a failure',
    async (_, action) => {
      await manager.ready;
      const before = lists();
      await action();
      expect(lists()).toBeGreaterThan(before);
      trouble = {
        status: 400,
        body: { code: 'bad_input', message: 'No.', hint: '' }
      };
      await expect(action()).rejects.toThrow('No.');
      expect(manager.problem?.message).toBe('No.');
    }
  );
});

describe('while a tunnel is being opened or restarted', () => {
  it.each([
    ['open', () => manager.open({ command: 'gpu01:5006' })],
    ['restart', () => manager.restart('x')]
  ] as [string, () => Promise<unknown>][])(
    '%s: what a host asks is noticed though no event told',
    async (_, action) => {
      await manager.ready;
      manager.setInterval(3600);
      let finish = (): void => undefined;
      opening = new Promise(resolve => {
        finish = resolve;
      });
      const done = action();
      prompts = [prompt()];
      await changed();
      prompts = [];
      await changed();
      expect(manager.prompts).toEqual([]);
      finish();
      await done;
    }
  );
});

describe('after dispose', () => {
  it('nothing is asked any more', async () => {
    await manager.ready;
    manager.dispose();
    const before = server.seen.length;
    events.emit({ schema_id: SCHEMA, tunnel_id: 'x', state: 'open' });
    document.dispatchEvent(new window.Event('visibilitychange'));
    expect(server.seen.length).toBe(before);
  });
});
