import { Event } from '@jupyterlab/services';
import { nullTranslator } from '@jupyterlab/translation';
import { Stream } from '@lumino/signaling';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { PublicationList } from '../src/api';
import { PublicationManager } from '../src/publications';
import { TunnelAPI } from '../src/restapi';
import { publication } from './publications';
import { Answer, Seen, TestServer } from './server';

const SCHEMA =
  'https://schema.jupyter.org/jupyter_remote_tunnel/publication/v1';
const trans = nullTranslator.load('jupyter_remote_tunnel');

let list: PublicationList;
/** In the place of the list. */
let instead: Answer | null;
let trouble: Answer | null;
let server: TestServer;
let events: Stream<Event.IManager, Event.Emission>;
let publications: PublicationManager;

beforeEach(async () => {
  list = {
    publications: [publication()],
    ways: ['proxy', 'bind'],
    hours: 8,
    password_file: '/config',
    outside: false
  };
  trouble = instead = null;
  server = new TestServer(({ method }) =>
    method === 'GET'
      ? (instead ?? { body: list })
      : (trouble ?? { body: { publication: publication() } })
  );
  events = new Stream({} as Event.IManager);
  publications = new PublicationManager(
    new TunnelAPI(await server.start(), trans),
    events as Event.Stream,
    Promise.resolve()
  );
  await publications.ready;
});

afterEach(async () => {
  publications.dispose();
  await server.stop();
});

/** What was asked for by other than GET. */
function orders(): Partial<Seen>[] {
  return server.seen
    .filter(({ method }) => method !== 'GET')
    .map(({ method, url, body }) => ({ method, path: url.pathname, body }));
}

describe('what is published', () => {
  it('is there when the manager is ready, asked for quietly', () => {
    expect(publications.publications).toEqual([publication()]);
    expect(publications.ways).toEqual(['proxy', 'bind']);
    expect([publications.hours, publications.passwordFile]).toEqual([
      8,
      '/config'
    ]);
    expect([publications.isOutside, publications.problem]).toEqual([
      false,
      null
    ]);
    const { url } = server.seen[0]!;
    expect(url.pathname).toBe('/base/remote-tunnel/api/publish');
    expect(url.searchParams.get('no_track_activity')).toBe('1');
  });

  it('is fetched again after an event of its own', async () => {
    list = { ...list, publications: [], outside: true };
    const changed = new Promise(resolve =>
      publications.changed.connect(resolve)
    );
    events.emit({ schema_id: SCHEMA, publication_id: 'x', state: 'ended' });
    await changed;
    expect(publications.publications).toEqual([]);
    expect(publications.isOutside).toBe(true);
  });

  it.each([
    [{ status: 502, body: '<html>Bad Gateway</html>' }, true],
    [{ status: 403, body: '<html>Forbidden</html>' }, false],
    [{ status: 500, body: { code: 'internal', message: 'No.' } }, false]
  ])('from outside, is out of reach by %o: %s', async (answer, isLost) => {
    instead = answer;
    await publications.refresh();
    expect(publications.isLost).toBe(false);
    instead = null;
    list = { ...list, outside: true };
    await publications.refresh();
    expect(publications.isLost).toBe(false);
    instead = answer;
    await publications.refresh();
    expect(publications.problem).not.toBeNull();
    expect(publications.isLost).toBe(isLost);
  });

  it('stays as it was last known while the server does not tell', async () => {
    await server.stop();
    await publications.refresh();
    expect(publications.publications).toEqual([publication()]);
    expect(publications.problem).toMatchObject({ code: 'server_unreachable' });
  });
});

describe('a publication', () => {
  it('is ended', async () => {
    list = { ...list, publications: [] };
    await publications.stop('a/b');
    expect(orders()).toEqual([
      {
        method: 'DELETE',
        path: '/base/remote-tunnel/api/publish/a%2Fb',
        body: {}
      }
    ]);
    expect(publications.publications).toEqual([]);
  });

  it('is prolonged', async () => {
    expect(await publications.extend('x')).toEqual(publication());
    expect(orders()).toEqual([
      {
        method: 'POST',
        path: '/base/remote-tunnel/api/publish/x/period',
        body: {}
      }
    ]);
  });

  it('that is not there any more has ended', async () => {
    const body = { code: 'not_found', message: 'No.', hint: '' };
    trouble = { status: 404, body };
    await publications.stop('x');
  });

  it('that cannot be ended says why', async () => {
    const body = { code: 'internal', message: 'No.', hint: '' };
    trouble = { status: 500, body };
    await expect(publications.stop('x')).rejects.toThrow('No.');
  });

  it('cuts off who ends it from outside', async () => {
    trouble = { status: 502, body: '<html>Bad Gateway</html>' };
    await expect(publications.stop('x')).rejects.toThrow('502');
    list = { ...list, outside: true };
    await publications.refresh();
    await publications.stop('x');
  });
});
