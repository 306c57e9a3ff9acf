import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { PublishFields, Publishing, toPublishRequest } from '../src/publishing';
import { TunnelAPI } from '../src/restapi';
import {
  check,
  ListedPublications,
  publication,
  reported
} from './publications';
import { Answer, TestServer } from './server';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

const FIELDS: PublishFields = {
  way: 'proxy',
  gateway: ' gw ',
  name: ' jupyter.example.org ',
  proxy: 'caddy',
  hours: '2.5',
  port: '',
  loopbackPort: '8888',
  certificate: '/c',
  key: '/k',
  gatewayCertificate: '',
  gatewayKey: '',
  selfSigned: false
};
const PROXY = {
  way: 'proxy',
  gateway: 'gw',
  name: 'jupyter.example.org',
  proxy: 'caddy',
  hours: 2.5,
  port: null,
  loopback_port: 8888,
  certificate: null,
  key: null,
  self_signed: false
};

const GOOD = { ok: true, checks: [check()], publication: null };
const BAD = {
  ok: false,
  checks: [check(), check({ verdict: 'failed', name: 'password' })],
  publication: null
};

let answer: Answer | Promise<Answer>;
let server: TestServer;
let tunnels: ListedTunnels;
let publishing: Publishing;

beforeEach(async () => {
  answer = { body: reported(GOOD) };
  server = new TestServer(() => answer);
  tunnels = new ListedTunnels();
  publishing = new Publishing(
    new TunnelAPI(await server.start(), trans),
    tunnels,
    new ListedPublications(),
    FIELDS
  );
});

afterEach(() => server.stop());

function asked(): unknown[] {
  return server.seen.map(({ url, body }) => [
    url.pathname.replace('/base/remote-tunnel/api/', ''),
    body
  ]);
}

it.each([
  [{}, PROXY],
  [{ loopbackPort: '' }, { ...PROXY, loopback_port: null }],
  [{ proxy: '' }, { ...PROXY, proxy: null }],
  [
    { gatewayCertificate: ' /etc/ssl/c ', gatewayKey: '/etc/ssl/k' },
    { ...PROXY, certificate: '/etc/ssl/c', key: '/etc/ssl/k' }
  ],
  [
    { way: 'bind', port: '8443', selfSigned: true },
    {
      way: 'bind',
      gateway: 'gw',
      name: 'jupyter.example.org',
      hours: 2.5,
      port: 8443,
      certificate: '/c',
      key: '/k',
      self_signed: true
    }
  ],
  [
    { way: 'bind', certificate: '', key: ' ' },
    {
      way: 'bind',
      gateway: 'gw',
      name: 'jupyter.example.org',
      hours: 2.5,
      port: null,
      certificate: null,
      key: null,
      self_signed: false
    }
  ],
  [
    { way: 'direct', hours: '' },
    {
      way: 'direct',
      name: 'jupyter.example.org',
      hours: null,
      port: null,
      certificate: '/c',
      key: '/k',
      self_signed: false
    }
  ]
] as [Partial<PublishFields>, unknown][])(
  'what was typed is asked for: %o',
  (change, request) => {
    expect(toPublishRequest({ ...FIELDS, ...change })).toEqual(request);
  }
);

describe('the checks', () => {
  it('come line by line, and then it may be published', async () => {
    let next = (): void => undefined;
    async function* pieces(): AsyncGenerator<string> {
      const [first, last] = reported(GOOD).split(/(?<=\n)/);
      yield first!;
      await new Promise<void>(resolve => (next = resolve));
      yield last!;
    }
    answer = { body: pieces() };
    const going = publishing.check();
    await vi.waitFor(() => expect(publishing.checks).toEqual(GOOD.checks));
    expect([publishing.isBusy, publishing.isReady]).toEqual([true, false]);
    expect(tunnels.watching).toBe(1);
    await vi.waitFor(() => {
      next();
      expect(publishing.isReady).toBe(true);
    });
    await going;
    expect(tunnels.watching).toBe(0);
    expect(asked()).toEqual([['publish/check', PROXY]]);
  });

  it('that fail bar it', async () => {
    answer = { body: reported(BAD) };
    await publishing.check();
    expect(publishing.isReady).toBe(false);
    await publishing.publish();
    expect(server.seen).toHaveLength(1);
  });

  it('are of what was typed then', async () => {
    await publishing.check();
    publishing.fields = { ...FIELDS, name: 'other.example.org' };
    expect([publishing.checks, publishing.isReady]).toEqual([[], false]);
  });

  it('are of no hours: those may change until it is published', async () => {
    await publishing.check();
    publishing.fields = { ...FIELDS, hours: '4' };
    expect(publishing.checks).toEqual(GOOD.checks);
    expect(publishing.isReady).toBe(true);
    await publishing.publish();
    expect(asked()[1]).toEqual(['publish', { ...PROXY, hours: 4 }]);
  });

  it('go on while hours are typed', async () => {
    let give = (_: Answer): void => undefined;
    answer = new Promise(resolve => (give = resolve));
    const going = publishing.check();
    await vi.waitFor(() => expect(server.seen).toHaveLength(1));
    publishing.fields = { ...FIELDS, hours: '4' };
    give({ body: reported(GOOD) });
    await going;
    expect(publishing.isReady).toBe(true);
  });

  it('of something else are not shown any more', async () => {
    let give = (_: Answer): void => undefined;
    answer = new Promise(resolve => (give = resolve));
    const going = publishing.check();
    await vi.waitFor(() => expect(server.seen).toHaveLength(1));
    publishing.fields = { ...FIELDS, name: 'other.example.org' };
    answer = { body: reported(BAD) };
    const again = publishing.check();
    give({ body: reported(GOOD) });
    await Promise.all([going, again]);
    expect(publishing.checks).toEqual(BAD.checks);
    expect(asked()[1]).toEqual([
      'publish/check',
      { ...PROXY, name: 'other.example.org' }
    ]);
  });

  it('that cannot be made say why', async () => {
    const body = { code: 'bad_input', message: 'No host.', hint: 'Give one.' };
    answer = { status: 400, body };
    await publishing.check();
    expect(publishing.error).toMatchObject(body);
    expect([publishing.isBusy, publishing.isReady]).toEqual([false, false]);
  });
});

describe('after them', () => {
  beforeEach(() => publishing.check());

  it('it is published', async () => {
    answer = { body: reported({ ...GOOD, publication: publication() }) };
    await publishing.publish();
    expect(publishing.published).toEqual(publication());
    expect(asked()[1]).toEqual(['publish', PROXY]);
  });

  it('other hours give up what would end by those before', async () => {
    answer = new Promise(() => undefined);
    const going = publishing.publish();
    await vi.waitFor(() => expect(server.seen).toHaveLength(2));
    publishing.fields = { ...FIELDS, hours: '4' };
    await going;
    expect(publishing.published).toBeNull();
    expect([publishing.isBusy, publishing.isReady]).toEqual([false, false]);
  });

  it('a way in that fails leaves nothing published', async () => {
    answer = { body: reported(BAD) };
    await publishing.publish();
    expect(publishing.published).toBeNull();
    expect(publishing.isReady).toBe(false);
    expect(publishing.checks).toEqual(BAD.checks);
  });

  it('a password is set, and all is looked at again', async () => {
    answer = { body: { file: '/config' } };
    const set = publishing.setPassword('a long one');
    await set;
    await publishing.over;
    expect(asked().slice(1)).toEqual([
      ['publish/password', { password: 'a long one' }],
      ['publish/check', PROXY]
    ]);
    expect(JSON.stringify(publishing.fields)).not.toContain('a long one');
  });

  it('a change that was shown is written, and all is looked at again', async () => {
    const change = {
      setting: 'ServerApp.allow_origin',
      file: '/config',
      lines: ['- ServerApp.allow_origin = "*"'],
      at_once: true,
      seen: '9f86d0'
    };
    answer = { body: { change } };
    await publishing.changeSetting(change);
    await publishing.over;
    expect(asked().slice(1)).toEqual([
      [
        'publish/settings',
        { setting: 'ServerApp.allow_origin', seen: '9f86d0' }
      ],
      ['publish/check', PROXY]
    ]);
  });

  it('a change that is refused leaves it as it is', async () => {
    const body = { code: 'conflict', message: 'Another file.', hint: '' };
    answer = { status: 409, body };
    const change = {
      setting: 'x',
      file: '/config',
      lines: [],
      at_once: true,
      seen: ''
    };
    await expect(publishing.changeSetting(change)).rejects.toThrow('Another');
    expect(publishing.isReady).toBe(true);
  });

  it('a password that is refused leaves it as it is', async () => {
    const body = { code: 'bad_input', message: 'Too short.', hint: '' };
    answer = { status: 400, body };
    await expect(publishing.setPassword('x')).rejects.toThrow('Too short.');
    expect(publishing.isReady).toBe(true);
  });
});

it('given up, nothing comes of it', async () => {
  answer = new Promise(() => undefined);
  const going = publishing.check();
  await vi.waitFor(() => expect(server.seen).toHaveLength(1));
  publishing.cancel();
  await going;
  expect([publishing.isBusy, publishing.error]).toEqual([false, null]);
});
