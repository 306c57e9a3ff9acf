import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { TunnelAPI, TunnelError } from '../src/restapi';
import { prompt, tunnel } from './samples';
import { Answer, Answerer, TestServer } from './server';

const trans = nullTranslator.load('jupyter_remote_tunnel');
let server: TestServer;

async function serve(answer: Answer | Answerer): Promise<TunnelAPI> {
  server = new TestServer(typeof answer === 'function' ? answer : () => answer);
  return new TunnelAPI(await server.start(), trans);
}

afterEach(() => server.stop());

async function failure(action: Promise<unknown>): Promise<TunnelError> {
  const error = await action.then(
    () => null,
    (reason: unknown) => reason
  );
  expect(error).toBeInstanceOf(TunnelError);
  return error as TunnelError;
}

describe('requests', () => {
  it('stand below the base URL', async () => {
    const api = await serve({ body: { tunnels: [tunnel()] } });
    expect(await api.tunnels()).toEqual([tunnel()]);
    const [seen] = server.seen;
    expect(seen!.url.pathname).toBe('/base/remote-tunnel/api/tunnels');
    expect(seen!.url.searchParams.has('no_track_activity')).toBe(false);
  });

  it('of the poll do not count as activity', async () => {
    const api = await serve({ body: { tunnels: [] } });
    await api.tunnels(true);
    expect(server.seen[0]!.url.searchParams.get('no_track_activity')).toBe('1');
  });

  it('carry what was asked for', async () => {
    const opened = { tunnel: tunnel(), created: true, understood: 'ssh …' };
    const api = await serve({ status: 201, body: opened });
    expect(await api.open({ command: 'gpu01:5006' })).toEqual(opened);
    expect(server.seen[0]).toMatchObject({
      method: 'POST',
      body: { command: 'gpu01:5006' }
    });
  });

  it('name the tunnel in the path', async () => {
    const api = await serve({ body: { tunnel: tunnel() } });
    await api.restart('a/b');
    await api.close('a/b');
    expect(
      server.seen.map(({ method, url }) => [method, url.pathname])
    ).toEqual([
      ['POST', '/base/remote-tunnel/api/tunnels/a%2Fb/restart'],
      ['DELETE', '/base/remote-tunnel/api/tunnels/a%2Fb']
    ]);
  });

  it('that wait for a person leave connections to others', async () => {
    const answers: ((answer: Answer) => void)[] = [];
    const api = await serve(({ url }) =>
      url.pathname.endsWith('/tunnels')
        ? new Promise(resolve => answers.push(resolve))
        : { body: {} }
    );
    const opened = { tunnel: tunnel(), created: true, understood: 'ssh …' };
    const opening = ['a', 'b', 'c', 'd', 'e'].map(host =>
      api.open({ command: `${host}:5006` })
    );
    await vi.waitFor(() => expect(answers).toHaveLength(3));
    await api.answer('prompt', { answers: ['horse'], remember: false });
    expect(answers).toHaveLength(3);
    answers[1]!({ status: 409, body: tunnel().error });
    await failure(opening[1]!);
    await vi.waitFor(() => expect(answers).toHaveLength(4));
    answers.forEach(answer => answer({ body: opened }));
    await vi.waitFor(() => expect(answers).toHaveLength(5));
    answers[4]!({ body: opened });
    const [, , ...others] = opening;
    expect(await Promise.all(others)).toEqual([opened, opened, opened]);
    const hosts = server.seen
      .filter(({ url }) => url.pathname.endsWith('/tunnels'))
      .map(({ body }) => (body as { command: string }).command[0]);
    expect(hosts.slice(0, 3).sort()).toEqual(['a', 'b', 'c']);
    expect(hosts.slice(3)).toEqual(['d', 'e']);
  });

  it('ask for questions, answer one, and give one up', async () => {
    const list = { prompts: [prompt()], others: [] };
    const api = await serve({ body: list });
    expect(await api.prompts(true)).toEqual(list);
    await api.answer('a/b', { answers: ['horse'], remember: true });
    await api.giveUp('a/b');
    expect(
      server.seen.map(({ body, method, url }) => [
        method,
        url.pathname,
        url.searchParams.has('no_track_activity'),
        body
      ])
    ).toEqual([
      ['GET', '/base/remote-tunnel/api/prompts', true, null],
      [
        'POST',
        '/base/remote-tunnel/api/prompts/a%2Fb',
        false,
        { answers: ['horse'], remember: true }
      ],
      ['DELETE', '/base/remote-tunnel/api/prompts/a%2Fb', false, {}]
    ]);
  });
});

describe('links', () => {
  it('to hand on hold only the id', async () => {
    const api = await serve({});
    expect(new URL(api.viewUrl('0123-2')).pathname).toBe(
      '/base/remote-tunnel/open/0123-2'
    );
    expect(new URL(api.viewUrl('0123')).search).toBe('');
    expect(new URL(api.viewUrl('0123', 'path')).search).toBe('?view=path');
  });
});

describe('failures', () => {
  it('of ours keep code, message and hint', async () => {
    const body = { code: 'conflict', message: 'Taken.', hint: 'Rename.' };
    const api = await serve({ status: 409, body });
    expect(await failure(api.open({}))).toMatchObject(body);
  });

  it('tell which part of the input is wrong, where they know it', async () => {
    const body = { code: 'bad_input', message: 'No.', hint: '' };
    const where = { text: '🖥🖥:x', start: 3, end: 4 };
    const api = await serve(({ method }) => ({
      status: 400,
      body: method === 'POST' ? { ...body, where } : body
    }));
    // Counted as JavaScript counts.
    expect((await failure(api.open({}))).where).toEqual({
      text: '🖥🖥:x',
      start: 5,
      end: 6
    });
    expect((await failure(api.tunnels())).where).toBeNull();
  });

  it('say that the server extension is missing', async () => {
    const api = await serve({ status: 404, body: '<h1>Not found</h1>' });
    const error = await failure(api.tunnels());
    expect(error.code).toBe('not_installed');
    expect(error.hint).toContain('jupyter-remote-tunnel');
  });

  it('of another kind name the status', async () => {
    const api = await serve({ status: 403, body: { message: 'Forbidden' } });
    const error = await failure(api.tunnels());
    expect(error.message).toContain('403');
    expect(error.hint).toContain('Log in');
  });

  it('say that nobody answers', async () => {
    const api = await serve({});
    await server.stop();
    expect((await failure(api.tunnels())).code).toBe('server_unreachable');
  });

  it('say that what is in front of it has nobody to ask', async () => {
    const api = await serve({ status: 502, body: '<h1>Bad Gateway</h1>' });
    const error = await failure(api.tunnels());
    expect(error.code).toBe('server_unreachable');
    expect(error.message).toContain('in front of it says 502');
  });

  it('come where the server never answers what it knows', async () => {
    let later: (answer: Answer) => void = () => undefined;
    server = new TestServer(() => new Promise(resolve => (later = resolve)));
    const api = new TunnelAPI(await server.start(), trans, 50);
    expect((await failure(api.tunnels())).code).toBe('server_unreachable');
    expect((await failure(api.hosts())).code).toBe('server_unreachable');
    const opening = api.open({ command: 'gpu01:5006' });
    const opened = { tunnel: tunnel(), created: true, understood: 'ssh …' };
    setTimeout(() => later({ status: 201, body: opened }), 150);
    expect(await opening).toEqual(opened);
  });

  it('come where an answer never ends', async () => {
    async function* half(): AsyncGenerator<string> {
      yield '{"tunnels": [';
      await new Promise(() => undefined);
    }
    server = new TestServer(() => ({ body: half() }));
    const api = new TunnelAPI(await server.start(), trans, 50);
    expect((await failure(api.tunnels())).code).toBe('server_unreachable');
  });
});
