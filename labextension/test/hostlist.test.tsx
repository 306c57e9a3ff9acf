import { describe, expect, it, vi } from 'vitest';

import { Host } from '../src/api';
import { CommandIDs } from '../src/commands';
import { TunnelError } from '../src/restapi';
import { alias, forward, tunnel } from './samples';
import {
  answers,
  button,
  enter,
  executed,
  hosts,
  list,
  looks,
  manager,
  setList,
  show,
  sidebar,
  texts,
  withSidebar
} from './shownsidebar';

withSidebar();

describe('aliases', () => {
  const NAMES = '.jp-RemoteTunnel-aliasName';

  async function configure(...aliases: Host[]): Promise<void> {
    // The look of the beginning is over then.
    await hosts.refresh();
    setList({ ...list, hosts: aliases });
    await hosts.refresh();
    await vi.waitFor(() =>
      expect(texts(NAMES)).toEqual(aliases.map(({ host }) => host))
    );
  }

  function section(): HTMLButtonElement {
    return sidebar.node.querySelector<HTMLButtonElement>('h3 button')!;
  }

  it('are not a section while there are none', async () => {
    await show();
    expect(texts('h3')).toEqual([]);
  });

  it('stand in a section of their own, which folds', async () => {
    await configure(alias('a', { user: 'ann', port: 2222 }), alias('b'));
    expect(section().textContent).toBe('SSH configuration 2 hosts');
    expect(texts('.jp-RemoteTunnel-way')).toEqual(['ann@a:2222']);
    section().click();
    await vi.waitFor(() =>
      expect(section().getAttribute('aria-expanded')).toBe('false')
    );
    const body = section().getAttribute('aria-controls')!;
    expect(document.getElementById(body)!.hidden).toBe(true);
  });

  it('that have tunnels stand with these', async () => {
    await configure(alias('a'), alias('b'));
    await show(tunnel({ host: 'b' }));
    expect(texts(NAMES)).toEqual(['a']);
    await show();
    expect(texts(NAMES)).toEqual(['a', 'b']);
  });

  it('have buttons for a tunnel and for a diagnosis', async () => {
    await configure(alias('a'));
    button('Add a tunnel to a').click();
    button('Diagnose the way to a').click();
    expect(executed).toEqual([
      [CommandIDs.add, { host: 'a' }],
      [CommandIDs.diagnose, { host: 'a' }]
    ]);
  });

  it('are filtered where they are many', async () => {
    const names = 'abcdefgh'.split('');
    const filter = (): HTMLInputElement | null =>
      sidebar.node.querySelector('input[type="search"]');
    await configure(...names.map(name => alias(name)));
    expect(filter()).toBeNull();
    await configure(
      ...names.map(name => alias(name)),
      alias('gpu01', { user: 'ann' })
    );
    enter(filter()!, 'ANN gpu');
    await vi.waitFor(() => expect(texts(NAMES)).toEqual(['gpu01']));
    enter(filter()!, 'nobody');
    await vi.waitFor(() => expect(texts(NAMES)).toEqual([]));
    expect(texts('.jp-RemoteTunnel-none')).toEqual([
      'None of them is called so.'
    ]);
  });

  it('are missing for a reason', async () => {
    await hosts.refresh();
    const why = { code: 'x', message: 'No file.', hint: 'Look.', hop: null };
    setList({ hosts: [], problem: why });
    await hosts.refresh();
    await vi.waitFor(() =>
      expect(texts('[role="alert"] p')).toEqual(['No file.', 'Look.'])
    );
    // That of the server is enough.
    manager.problem = new TunnelError({ code: 'http', message: 'Gone.' });
    manager.changed.emit();
    await vi.waitFor(() =>
      expect(texts('[role="alert"] p')).toEqual(['Gone.'])
    );
  });

  it('are looked for again when the server tells again', async () => {
    await hosts.refresh();
    const gone = new TunnelError({ code: 'http', message: 'Gone.' });
    setList({ hosts: [], problem: { ...gone, hop: null } });
    manager.problem = gone;
    manager.changed.emit();
    await hosts.refresh();
    const before = looks;
    setList({ hosts: [alias('a')], problem: null });
    manager.changed.emit();
    expect(looks).toBe(before);
    manager.problem = null;
    manager.changed.emit();
    await vi.waitFor(() => expect(texts(NAMES)).toEqual(['a']));
    expect(looks).toBe(before + 1);
  });

  describe('offer forwards', () => {
    const offers = ['-L 5006:localhost:5006', '-D 1080'];
    const FORWARDS = '.jp-RemoteTunnel-offer';

    it('that a click unfolds and another one opens', async () => {
      await configure(alias('a', { offers }));
      const toggle = sidebar.node.querySelector<HTMLElement>(
        'li .jp-RemoteTunnel-toggle'
      )!;
      expect(toggle.textContent).toBe('a 2 forwards');
      expect(toggle.getAttribute('aria-expanded')).toBe('false');
      toggle.click();
      await vi.waitFor(() =>
        expect(toggle.getAttribute('aria-expanded')).toBe('true')
      );
      expect(texts(FORWARDS)).toEqual(offers.map(offer => `${offer}Open`));
      const opened = tunnel({ host: 'a' });
      answers.push(
        show(opened).then(() => {
          // The button has gone with its line.
          expect(document.activeElement).toBe(sidebar.node);
          return opened.id;
        })
      );
      button('Open -L 5006:localhost:5006 of a').click();
      expect(executed).toEqual([
        [CommandIDs.openOffer, { host: 'a', forward: offers[0] }]
      ]);
      await vi.waitFor(() =>
        expect(document.activeElement).toBe(
          sidebar.node.querySelector(`[data-tunnel="${opened.id}"]`)
        )
      );
    });

    it('and say which are open', async () => {
      await configure(alias('a', { offers }));
      await show(tunnel({ host: 'a' }));
      expect(texts(FORWARDS)).toEqual([`${offers[0]}Open`, '-D 1080Open']);
      button('Open -D 1080 of a');
      expect(sidebar.node.querySelectorAll(`${FORWARDS} button`)).toHaveLength(
        1
      );
      await show(tunnel({ host: 'a', state: 'connecting' }));
      expect(texts(FORWARDS)[0]).toBe(`${offers[0]}Connecting…`);
      await show(tunnel({ host: 'a', state: 'failed' }));
      button('Open -L 5006:localhost:5006 of a');
    });

    it('which other tunnels do not open', async () => {
      await configure(alias('a', { offers }));
      await show(
        tunnel({ id: '1', host: 'b' }),
        tunnel({ id: '2', host: 'a', forwards: [forward({ spec: '-D 0' })] })
      );
      button('Open -L 5006:localhost:5006 of a');
    });
  });
});
