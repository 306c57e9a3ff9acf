import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Host, HostList, TunnelStatus } from '../src/api';
import { CommandIDs } from '../src/commands';
import { clock, traffic } from '../src/format';
import { HostBook } from '../src/hosts';
import { TunnelError } from '../src/restapi';
import { TunnelSidebar } from '../src/sidebar';
import { alias, application, farLeg, forward, prompt, tunnel } from './samples';
import { ListedPublications, publication } from './publications';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let manager: ListedTunnels;
let publications: ListedPublications;
/** What the next looks at the configuration see. */
let list: HostList;
let looks: number;
let hosts: HostBook;
let executed: [string, ReadonlyPartialJSONObject][];
/** What the next commands give back. */
let answers: unknown[];
/** Whether this Jupyter may be published. */
let mayPublish: boolean;
let sidebar: TunnelSidebar;

beforeEach(() => {
  manager = new ListedTunnels();
  publications = new ListedPublications();
  list = { hosts: [], problem: null };
  looks = 0;
  hosts = new HostBook({
    hosts: async () => {
      looks += 1;
      return list;
    }
  });
  executed = [];
  mayPublish = false;
  answers = [];
  const commands = new CommandRegistry();
  for (const id of Object.values(CommandIDs)) {
    commands.addCommand(id, {
      isEnabled: () => id !== CommandIDs.publish || mayPublish,
      execute: args => {
        executed.push([id, args]);
        return answers.shift();
      }
    });
  }
  sidebar = new TunnelSidebar({
    manager,
    publications,
    hosts,
    commands,
    trans
  });
  Widget.attach(sidebar, document.body);
});

afterEach(() => sidebar.dispose());

/** Show these tunnels, and wait until they are painted. */
async function show(...tunnels: TunnelStatus[]): Promise<void> {
  manager.tunnels = tunnels;
  manager.changed.emit();
  await vi.waitFor(() => {
    expect(texts('.jp-RemoteTunnel-name')).toEqual(
      tunnels.map(({ name }) => name)
    );
    const isEmpty = tunnels.length === 0;
    const notice = '.jp-RemoteTunnel-empty, .jp-SidePanel-content > * > [role]';
    expect(texts(notice)).toHaveLength(isEmpty ? 1 : 0);
  });
}

function texts(selector: string): (string | null)[] {
  return [...sidebar.node.querySelectorAll(selector)].map(
    node => node.textContent
  );
}

function button(label: string): HTMLButtonElement {
  const found = sidebar.node.querySelector<HTMLButtonElement>(
    `button[aria-label="${label}"]`
  );
  expect(found, label).not.toBeNull();
  return found!;
}

/** Type into a field. */
function enter(input: HTMLInputElement, text: string): void {
  // React listens to the prototype's setter.
  Object.getOwnPropertyDescriptor(
    HTMLInputElement.prototype,
    'value'
  )!.set!.call(input, text);
  input.dispatchEvent(new Event('input', { bubbles: true }));
}

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
    list = { hosts: [alias('gpu01')], problem: null };
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
    list = { hosts: [alias('gpu01')], problem: null };
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
    list = { hosts: [alias('gpu02')], problem: null };
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

describe('what a remote host says', () => {
  const markup = `<img src=x onerror="alert(1)"><b>b</b>`;
  const hostile = `${markup}\u001b]0;owned\u0007\u001b[2J\u202eltr"'&lt;`;

  it.each([
    ['hostile', hostile],
    ['huge', hostile.repeat(10_000)]
  ])('is shown as text, also where it is %s', async (_, said) => {
    const error = { code: 'connection_lost', message: said, hint: said };
    const errors = { ...error, hop: said };
    const far = farLeg({ at: said, by: said, destination: said });
    const addresses = { spec: said, bound: said, destination: said };
    const place = { host: said, route: [said], host_key: said };
    const failing = { error: errors, error_at: '2026-11-21T03:00:00Z' };
    await show(
      tunnel({
        ...place,
        name: said,
        forwards: [
          forward({ ...addresses, ...failing, note: said }),
          forward({ far: { ...far, state: 'down', error: errors } }),
          forward({ ...addresses, kind: 'remote', note: said })
        ]
      }),
      tunnel({ ...place, id: '1', name: 'a', state: 'failed', error: errors }),
      tunnel({ ...place, id: '2', name: 'b', kind: 'kernel', ...failing })
    );
    for (const part of ['name', 'address', 'error']) {
      expect(texts(`.jp-RemoteTunnel-${part}`).join()).toContain(said);
    }
    expect(sidebar.node.querySelector('img, b, script, a')).toBeNull();
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
    mayPublish = true;
    publications.changed.emit();
    await vi.waitFor(() => expect(texts(entry)).toHaveLength(1));
    sidebar.node.querySelector<HTMLElement>(entry)!.click();
    expect(executed).toEqual([[CommandIDs.publish, {}]]);
  });
});

describe('rows', () => {
  it('tell state, addresses and traffic in words', async () => {
    await show(tunnel());
    expect(texts('.jp-RemoteTunnel-name')).toEqual(['gpu01:5006']);
    expect(texts('.jp-RemoteTunnel-state')).toEqual(['Open']);
    expect(texts('.jp-RemoteTunnel-address')).toEqual([
      '127.0.0.1:5006 →\u00a0localhost:5006'
    ]);
    expect(texts('.jp-RemoteTunnel-traffic')).toEqual([
      traffic([forward()], tunnel(), trans)
    ]);
  });

  it('point the other way for a remote forward', async () => {
    const remote = forward({
      kind: 'remote',
      bound: '127.0.0.1:8888',
      destination: 'localhost:80'
    });
    await show(tunnel({ forwards: [remote] }));
    expect(texts('.jp-RemoteTunnel-address')).toEqual([
      'localhost:80 ←\u00a0127.0.0.1:8888'
    ]);
  });

  it('say what failed and what to do next', async () => {
    const error = { code: 'auth_failed', message: 'No.', hint: 'Add a key.' };
    await show(tunnel({ state: 'failed', error: { ...error, hop: null } }));
    expect(texts('[role="alert"] p')).toEqual(['No.', 'Add a key.']);
    button('Dismiss gpu01:5006');
    // Nothing flows.
    expect(texts('.jp-RemoteTunnel-traffic')).toEqual([]);
  });

  it('show a remote name as text, whatever it holds', async () => {
    const name = '<img src=x onerror=alert(1)><b>bold</b>';
    await show(
      tunnel({
        name,
        host: name,
        error: { code: 'x', message: name, hint: name, hop: null },
        forwards: [forward({ destination: name })]
      })
    );
    expect(sidebar.node.querySelector('img, b')).toBeNull();
    expect(texts('.jp-RemoteTunnel-name')).toEqual([name]);
  });

  it('follow the list', async () => {
    await show(
      tunnel({ id: '1', host: 'a', name: 'one' }),
      tunnel({ id: '2', host: 'b', name: 'two' })
    );
    expect(texts('h3 .jp-RemoteTunnel-hostName')).toEqual(['a', 'b']);
    await show(tunnel({ id: '2', host: 'b', name: 'two' }));
    expect(texts('h3 .jp-RemoteTunnel-hostName')).toEqual(['b']);
  });

  it.each([
    ['user', []],
    ['config', ['configured']],
    ['saved', ['restored']]
  ] as [TunnelStatus['source'], string[]][])(
    'say who asked: %s',
    async (source, expected) => {
      await show(tunnel({ source }));
      expect(texts('.jp-RemoteTunnel-source')).toEqual(expected);
    }
  );
});

describe('a problem of a stream', () => {
  const error = { code: 'x', message: 'Refused.', hint: 'Ask.', hop: null };
  const at = new Date(2026, 1, 3, 10, 42, 5).toISOString();
  const past = forward({ error, error_at: at });
  const dismiss = 'Dismiss the last problem';

  it('is past, with its time', async () => {
    await show(tunnel({ forwards: [past] }));
    const when = clock(at);
    expect(when).toContain('42');
    expect(texts('[role="status"] p')).toEqual([
      `Last problem, ${when}: Refused.`,
      'Ask.'
    ]);
    expect(texts('[role="alert"]')).toEqual([]);
  });

  it('is looked into where the tunnel leads to the host', async () => {
    const diagnose = '[aria-label="Diagnose the way of bokeh"]';
    await show(tunnel({ name: 'bokeh', forwards: [past] }));
    sidebar.node.querySelector<HTMLElement>(diagnose)!.click();
    expect(executed.at(-1)).toEqual([
      'remote-tunnel:diagnose',
      { tunnel: tunnel().id }
    ]);
    await show(
      tunnel({ name: 'bokeh', forwards: [{ ...past, kind: 'remote' }] })
    );
    expect(sidebar.node.querySelector(diagnose)).toBeNull();
  });

  it('is trouble of now where the forward does not listen', async () => {
    await show(tunnel({ forwards: [forward({ error, error_at: null })] }));
    expect(texts('[role="alert"] p')).toEqual(['Refused.', 'Ask.']);
    expect(texts('[role="status"]')).toEqual(['']);
  });

  it('names no option of a shell', async () => {
    const busy = { ...error, hint: 'With --on-conflict pick it is replaced.' };
    const failed = forward({ error: busy, error_at: null });
    await show(tunnel({ forwards: [failed] }));
    expect(texts('[role="alert"] p')[1]).toContain('in the dialog');
    await show(tunnel({ state: 'failed', error: busy }));
    expect(texts('[role="alert"] p')[1]).toContain('in the dialog');
  });

  it('waits until the tunnel is open', async () => {
    await show(tunnel({ state: 'reconnecting', forwards: [past] }));
    expect(sidebar.node.textContent).not.toContain('Refused.');
  });

  it('is dismissed, until there is another', async () => {
    await show(tunnel({ forwards: [past] }));
    button(dismiss).click();
    await vi.waitFor(() => expect(texts('[role="status"]')).toEqual(['']));
    expect(document.activeElement?.className).toBe('jp-RemoteTunnel-tunnel');
    await show(tunnel({ forwards: [past], rtt_ms: 1 }));
    expect(texts('[role="status"]')).toEqual(['']);
    const later = { ...past, error_at: new Date().toISOString() };
    await show(tunnel({ forwards: [later] }));
    await vi.waitFor(() => button(dismiss));
  });
});

describe('the other leg of a forward', () => {
  const error = { code: 'x', message: 'Away.', hint: 'Wait.', hop: 'gw' };

  it('says who holds it and how it is', async () => {
    await show(tunnel({ forwards: [forward({ far: farLeg() })] }));
    expect(texts('[data-far="up"]')).toEqual([
      'Offered by ann@workstation (localhost:5007 there): up'
    ]);
    expect(texts('[role="alert"]')).toEqual([]);
  });

  it('says why it is down', async () => {
    const far = farLeg({ by: '', state: 'down', error });
    await show(tunnel({ forwards: [forward({ far })] }));
    expect(texts('[data-far="down"]')).toEqual([
      'Offered there by another machine: down'
    ]);
    expect(texts('[role="alert"] p')).toEqual(['Away.', 'Wait.']);
  });

  it('makes the state of the whole tunnel when it is down', async () => {
    const far = farLeg({ state: 'down', error });
    await show(tunnel({ forwards: [forward(), forward({ far })] }));
    expect(texts('.jp-RemoteTunnel-state')).toEqual(['Far leg down']);
    expect(
      sidebar.node.querySelectorAll('[data-state="leg_down"]')
    ).toHaveLength(1);
  });

  it('is told once, and not again as the reason of a stream', async () => {
    const error_at = '2026-11-21T10:00:00.000Z';
    const far = farLeg({ state: 'down', error });
    await show(tunnel({ forwards: [forward({ far, error, error_at })] }));
    expect(texts('[role="status"]').join('')).not.toContain('Away.');
    const other = { ...error, message: 'Too many streams.' };
    await show(
      tunnel({ forwards: [forward({ far, error: other, error_at })] })
    );
    expect(texts('[role="status"]').join('')).toContain('Too many streams.');
  });

  it('says of a port that others can connect to it', async () => {
    await show(tunnel({ forwards: [forward({ far: farLeg() })] }));
    expect(texts('.jp-RemoteTunnel-note')).toHaveLength(1);
    const far = farLeg({ at: '127.0.0.1:5006' });
    await show(tunnel({ forwards: [forward({ far })] }));
    expect(texts('.jp-RemoteTunnel-note')[0]).toContain(
      'to which its other users can connect'
    );
  });

  it('is not spoken of where there is none', async () => {
    await show(tunnel());
    expect(texts('.jp-RemoteTunnel-note')).toEqual([]);
  });
});

it('shows what is to be known of where a forward listens', async () => {
  await show(tunnel({ forwards: [forward({ note: 'It is <b>public</b>.' })] }));
  expect(texts('.jp-RemoteTunnel-note')).toEqual(['It is <b>public</b>.']);
});

describe('a lost connection', () => {
  function lost(next_try: string | null): TunnelStatus {
    return tunnel({ state: 'reconnecting', next_try });
  }

  function soon(milliseconds: number): string {
    return new Date(Date.now() + milliseconds).toISOString();
  }

  it('is tried at a time', async () => {
    const moment = soon(3_600_000);
    await show(lost(moment));
    expect(texts('.jp-RemoteTunnel-nextTry > span')).toEqual([
      `Next try at ${clock(moment)}`
    ]);
  });

  it.each([null, soon(-1000)])('is being tried: %s', async moment => {
    await show(lost(moment));
    expect(texts('.jp-RemoteTunnel-nextTry > span')).toEqual(['Trying now…']);
  });

  it('is tried when the time has come, without any news', async () => {
    await show(lost(soon(200)));
    await vi.waitFor(() =>
      expect(texts('.jp-RemoteTunnel-nextTry > span')).toEqual(['Trying now…'])
    );
  });

  it('need not wait for it', async () => {
    await show(lost(soon(3_600_000)));
    button('Try now to reconnect gpu01:5006').click();
    expect(executed).toEqual([
      [CommandIDs.restart, { tunnel: '0123456789ab' }]
    ]);
    // The button goes with the wait.
    expect(document.activeElement?.className).toBe('jp-RemoteTunnel-tunnel');
  });

  it('is nothing to wait for once it is back', async () => {
    await show(tunnel());
    expect(texts('.jp-RemoteTunnel-nextTry')).toEqual([]);
  });
});

describe('a tunnel that waits for a person', () => {
  const waiting = tunnel({ state: 'waiting_for_user' });
  const tunnels = [waiting.id];

  it('can be logged in to', async () => {
    await show(waiting);
    button('Log in to reconnect gpu01:5006').click();
    expect(executed).toEqual([[CommandIDs.restart, { tunnel: waiting.id }]]);
  });

  it('waits for nothing more while this login is asked', async () => {
    manager.prompts = [prompt()];
    await show(waiting);
    expect(texts('.jp-RemoteTunnel-state')).toEqual(['Waiting for you']);
    expect(texts('.jp-RemoteTunnel-link')).toEqual([]);
  });

  it('names who is asked', async () => {
    manager.others = [{ id: 'x', hop: 'gw', tunnels, waits_for: ['Ann'] }];
    await show(waiting);
    expect(texts('.jp-RemoteTunnel-state')).toEqual(['Waiting for Ann']);
    expect(texts('.jp-RemoteTunnel-link')).toEqual([]);
  });
});

describe('a kernel', () => {
  const file = '/run/user/kernel-jrt-0123456789ab.json';
  const refused = {
    code: 'forward_refused',
    message: 'Nobody listens.',
    hint: '',
    hop: null
  };
  const kernel = tunnel({
    kind: 'kernel',
    connection_file: file,
    forwards: [1, 2, 3, 4, 5].map(channel =>
      forward({ asked: `private/k-${channel}`, error: refused })
    )
  });

  it('is one row, with one reason for what went wrong', async () => {
    await show(kernel);
    expect(texts('.jp-RemoteTunnel-forward')).toHaveLength(1);
    expect(texts('.jp-RemoteTunnel-traffic')[0]).toMatch(
      /^Kernel\s· 5 of 20 streams open/
    );
    expect(texts('[role="alert"]')).toEqual(['Nobody listens.']);
    expect(sidebar.node.textContent).not.toContain('inside Jupyter');
  });

  it('hands on its connection file, and cannot be looked at', async () => {
    manager.applications = [application()];
    await show(kernel);
    button('Copy the connection file of gpu01:5006').click();
    expect(executed).toEqual([
      [CommandIDs.copyConnectionFile, { tunnel: kernel.id }]
    ]);
    expect(sidebar.node.querySelector('[aria-label^="Open "]')).toBeNull();
  });

  it('has no file to hand on before it is reached', async () => {
    await show({ ...kernel, connection_file: null });
    expect(sidebar.node.querySelector('[aria-label^="Copy"]')).toBeNull();
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

describe('aliases', () => {
  const NAMES = '.jp-RemoteTunnel-aliasName';

  async function configure(...aliases: Host[]): Promise<void> {
    // The look of the beginning is over then.
    await hosts.refresh();
    list = { ...list, hosts: aliases };
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
    list = { hosts: [], problem: why };
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
    [list, manager.problem] = [
      { hosts: [], problem: { ...gone, hop: null } },
      gone
    ];
    manager.changed.emit();
    await hosts.refresh();
    const before = looks;
    list = { hosts: [alias('a')], problem: null };
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

describe('the way to a host', () => {
  it.each(['failed', 'reconnecting'])('can be looked at: %s', async state => {
    await show(tunnel({ state }));
    button('Diagnose the way of gpu01:5006').click();
    expect(executed).toEqual([
      [CommandIDs.diagnose, { tunnel: '0123456789ab' }]
    ]);
  });

  it('is no matter while the tunnel is open', async () => {
    await show(tunnel());
    expect(
      sidebar.node.querySelector('[aria-label^="Diagnose the way of"]')
    ).toBeNull();
    button('Diagnose the way to me@gpu01');
  });
});

describe('buttons', () => {
  it('run the commands for their row', async () => {
    manager.applications = [
      application({ id: '0123456789ab-2', name: 'plot' })
    ];
    await show(tunnel());
    for (const label of [
      'Open plot in a tab',
      'Open plot in the browser',
      'Copy the address 127.0.0.1:5006',
      'Restart gpu01:5006',
      'Close gpu01:5006'
    ]) {
      button(label).click();
    }
    expect(executed).toEqual([
      [CommandIDs.openInTab, { app: '0123456789ab-2' }],
      [CommandIDs.openInBrowser, { app: '0123456789ab-2' }],
      [CommandIDs.copyAddress, { tunnel: '0123456789ab', forward: 0 }],
      [CommandIDs.restart, { tunnel: '0123456789ab' }],
      [CommandIDs.close, { tunnel: '0123456789ab' }]
    ]);
  });

  it('hand on a link where there is no address', async () => {
    manager.applications = [application()];
    const hidden = forward({ asked: 'private', bound: '/run/jrt-x/a.sock' });
    await show(tunnel({ forwards: [hidden] }));
    expect(sidebar.node.textContent).not.toContain('/run/jrt-x');
    button('Copy the link of gpu01:5006').click();
    expect(executed).toEqual([[CommandIDs.copyLink, { app: '0123456789ab' }]]);
  });

  it('are not there for what cannot be opened', async () => {
    await show(tunnel({ forwards: [forward({ destination: null })] }));
    expect(sidebar.node.querySelector('[aria-label^="Open "]')).toBeNull();
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
