import { Widget } from '@lumino/widgets';
import { beforeEach, describe, expect, it, vi } from 'vitest';

import { CommandIDs } from '../src/commands';
import { TunnelError } from '../src/restapi';
import { alias, tunnel } from './samples';
import { publication } from './publications';
import {
  button,
  executed,
  hosts,
  looks,
  manager,
  mayBePublished,
  publications,
  setList,
  show,
  sidebar,
  texts,
  withSidebar
} from './shownsidebar';

withSidebar();

it('has counts kept current while it is in view, and looks for hosts as it comes', async () => {
  expect([manager.watching, publications.watching]).toEqual([1, 1]);
  expect(looks).toBe(1);
  sidebar.hide();
  expect([manager.watching, publications.watching]).toEqual([0, 0]);
  await hosts.refresh();
  const before = looks;
  sidebar.show();
  expect(manager.watching).toBe(1);
  expect(looks).toBe(before + 1);
  Widget.detach(sidebar);
  expect([manager.watching, publications.watching]).toEqual([0, 0]);
});

describe('a host whose last tunnel goes', () => {
  it('keeps the focus in its line', async () => {
    setList({ hosts: [alias('gpu01')], problem: null });
    await hosts.refresh();
    await show(tunnel({ host: 'gpu01' }));
    const before = button('More for gpu01');
    before.focus();
    await show();
    expect(before.isConnected).toBe(false);
    expect(document.activeElement).toBe(button('More for gpu01'));
    await show(tunnel({ host: 'gpu01' }));
    expect(document.activeElement).toBe(button('More for gpu01'));
  });

  it('leaves it to the sidebar, where it is seen no more', async () => {
    await show(tunnel({ host: 'gpu01' }));
    button('More for gpu01').focus();
    await show();
    expect(document.activeElement).toBe(sidebar.node);
    await show(tunnel({ host: 'gpu01' }));
    expect(document.activeElement).toBe(sidebar.node);
  });

  it('takes it from nothing else', async () => {
    setList({ hosts: [alias('gpu01')], problem: null });
    await hosts.refresh();
    await show(tunnel({ host: 'gpu01' }));
    const other = document.body.appendChild(document.createElement('input'));
    other.focus();
    await show();
    expect(document.activeElement).toBe(other);
    other.remove();
  });
});

describe('the menu of a host', () => {
  function items(): (string | null)[] {
    return [...document.querySelectorAll('.lm-Menu [data-command]')].map(item =>
      item.getAttribute('data-command')
    );
  }

  const ALL = [
    CommandIDs.add,
    CommandIDs.diagnose,
    CommandIDs.openJupyter,
    CommandIDs.openJupyterAtPort,
    CommandIDs.setJupyterPassword,
    CommandIDs.stopJupyter
  ];

  beforeEach(async () => {
    setList({ hosts: [alias('gpu02')], problem: null });
    await hosts.refresh();
    await show(tunnel({ host: 'gpu01' }));
  });

  it.each(['gpu01', 'gpu02'])('%s: opens from its button', async host => {
    const opener = button(`More for ${host}`);
    opener.click();
    expect(items()).toEqual(ALL);
    const menu = document.querySelector<HTMLElement>('.lm-Menu')!;
    const keys = ['ArrowDown', 'ArrowUp', 'ArrowUp', 'Enter'];
    const codes = [40, 38, 38, 13];
    keys.forEach((key, index) =>
      menu.dispatchEvent(
        new KeyboardEvent('keydown', { key, keyCode: codes[index] } as never)
      )
    );
    expect(executed).toEqual([[CommandIDs.setJupyterPassword, { host }]]);
    expect(document.activeElement).toBe(opener);
    await vi.waitFor(() => expect(items()).toEqual([]));
  });

  it.each([
    ['gpu01', '.jp-RemoteTunnel-host'],
    ['gpu02', '.jp-RemoteTunnel-aliasLine']
  ])('%s: opens in its line', async (host, selector) => {
    const event = new MouseEvent('contextmenu', {
      bubbles: true,
      cancelable: true
    });
    const line = [...sidebar.node.querySelectorAll(selector)].find(
      ({ textContent }) => textContent!.includes(host)
    )!;
    line.dispatchEvent(event);
    expect(event.defaultPrevented).toBe(true);
    expect(items()).toEqual(ALL);
    const escape = { key: 'Escape', keyCode: 27 } as never;
    document
      .querySelector('.lm-Menu')!
      .dispatchEvent(new KeyboardEvent('keydown', escape));
    await vi.waitFor(() => expect(items()).toEqual([]));
    line.dispatchEvent(
      new MouseEvent('contextmenu', { bubbles: true, shiftKey: true })
    );
    expect(items()).toEqual([]);
  });
});

describe('what is published', () => {
  const args = { publication: publication().id };

  /** Publish this, and wait until its sign is there. */
  async function published(
    change: Parameters<typeof publication>[0] = {}
  ): Promise<void> {
    publications.show(publication(change));
    await vi.waitFor(() =>
      expect(texts('.jp-RemoteTunnel-published strong')).toEqual([
        'Published: jupyter.example.org'
      ])
    );
  }

  it('stands at the top, with who is connected and until when', async () => {
    await show(tunnel());
    const visitor = { address: '192.0.2.7', streams: 3, since: '' };
    await published({ visitors: [visitor, { ...visitor, address: '' }] });
    expect(texts('.jp-RemoteTunnel-published span')).toEqual([
      expect.stringMatching(/^2 connected\u00a0· until /)
    ]);
    const [first] = sidebar.node.querySelectorAll('section, h3');
    expect(first!.tagName).toBe('SECTION');
    publications.show();
    await vi.waitFor(() => expect(texts('section')).toEqual([]));
  });

  it('can be looked at, ended and prolonged', async () => {
    await published();
    for (const label of [
      'Stop publishing jupyter.example.org',
      'Extend jupyter.example.org'
    ]) {
      button(label).click();
    }
    sidebar.node
      .querySelector<HTMLElement>('.jp-RemoteTunnel-published')!
      .click();
    expect(executed).toEqual([
      [CommandIDs.stopPublishing, args],
      [CommandIDs.extendPublishing, args],
      [CommandIDs.showPublished, args]
    ]);
  });

  it('can only be ended by who came in through it', async () => {
    publications.isOutside = true;
    await published();
    const labels = texts('section .jp-RemoteTunnel-buttons button');
    expect(labels).toEqual(['Stop']);
    expect(texts('section p')).toEqual([
      'You came in through it, from outside.'
    ]);
  });

  it('is a way in that is lost, which nobody can end from there', async () => {
    publications.isOutside = true;
    await published();
    publications.isLost = true;
    manager.problem = new TunnelError({ code: 'http', message: '502' });
    publications.changed.emit();
    await vi.waitFor(() =>
      expect(texts('section')).toEqual(['This way in is closed or lost.'])
    );
    expect(texts('.jp-RemoteTunnel-published')).toEqual([]);
    expect(texts('.jp-RemoteTunnel-error')).toEqual([]);
  });

  it('says why it is not shown', async () => {
    await published({ state: 'held_back', problem: 'No upload passes.' });
    expect(texts('.jp-RemoteTunnel-published span')[0]).toContain(
      'held back: a check failed'
    );
    expect(texts('section p')).toEqual(['No upload passes.']);
    publications.problem = new TunnelError({ code: 'http', message: 'No.' });
    publications.changed.emit();
    await vi.waitFor(() =>
      expect(texts('.jp-RemoteTunnel-published span')[0]).toContain(
        'Jupyter does not tell'
      )
    );
  });

  it('begins with a quiet entry, where it may be', async () => {
    const entry = '.jp-RemoteTunnel-publishEntry button';
    await show(tunnel());
    expect(texts(entry)).toEqual([]);
    mayBePublished();
    publications.changed.emit();
    await vi.waitFor(() => expect(texts(entry)).toHaveLength(1));
    sidebar.node.querySelector<HTMLElement>(entry)!.click();
    expect(executed).toEqual([[CommandIDs.publish, {}]]);
  });
});

describe('hosts', () => {
  function toggle(host: string): HTMLButtonElement {
    const found = [
      ...sidebar.node.querySelectorAll<HTMLButtonElement>('h3 button')
    ].find(node => node.textContent!.startsWith(host));
    expect(found, host).toBeDefined();
    return found!;
  }

  const one = tunnel({ id: '1', host: 'a', name: 'one' });
  const two = tunnel({ id: '2', host: 'b', name: 'two', state: 'failed' });

  it('are folded and unfolded, and stay so', async () => {
    await show(one, two);
    expect(toggle('b').getAttribute('aria-expanded')).toBe('true');
    toggle('b').click();
    await vi.waitFor(() =>
      expect(toggle('b').getAttribute('aria-expanded')).toBe('false')
    );
    const list = document.getElementById(
      toggle('b').getAttribute('aria-controls')!
    );
    expect(list!.hidden).toBe(true);
    expect(list!.textContent).toContain('two');
    expect(toggle('a').getAttribute('aria-expanded')).toBe('true');

    await show(one);
    await show(one, two);
    expect(toggle('b').getAttribute('aria-expanded')).toBe('false');
    toggle('b').click();
    await vi.waitFor(() =>
      expect(toggle('b').getAttribute('aria-expanded')).toBe('true')
    );
  });

  it('say what is folded away', async () => {
    await show(two);
    toggle('b').click();
    await vi.waitFor(() =>
      expect(toggle('b').textContent).toBe('b 1 SSH tunnel, 1 failed')
    );
  });

  it('have a button for one tunnel more', async () => {
    await show(one);
    button('Add a tunnel to a').click();
    expect(executed).toEqual([[CommandIDs.add, { host: 'a' }]]);
  });
});

describe('without tunnels', () => {
  it('it says how to begin', async () => {
    await show();
    const start = sidebar.node.querySelector<HTMLButtonElement>(
      '.jp-RemoteTunnel-empty button'
    );
    start!.click();
    expect(executed).toEqual([[CommandIDs.add, {}]]);
  });

  it('it says why the list is missing', async () => {
    manager.problem = new TunnelError({
      code: 'not_installed',
      message: 'No server extension.',
      hint: 'Install it.'
    });
    await show();
    expect(texts('[role="alert"] p')).toEqual([
      'No server extension.',
      'Install it.'
    ]);
    expect(sidebar.node.querySelector('.jp-RemoteTunnel-empty')).toBeNull();
  });
});
