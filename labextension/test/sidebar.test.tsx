import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { TunnelStatus } from '../src/api';
import { CommandIDs } from '../src/commands';
import { clock, traffic } from '../src/format';
import { TunnelError } from '../src/restapi';
import { TunnelSidebar } from '../src/sidebar';
import { application, forward, tunnel } from './samples';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let manager: ListedTunnels;
let executed: [string, ReadonlyPartialJSONObject][];
let sidebar: TunnelSidebar;

beforeEach(() => {
  manager = new ListedTunnels();
  executed = [];
  const commands = new CommandRegistry();
  for (const id of Object.values(CommandIDs)) {
    commands.addCommand(id, {
      execute: args => {
        executed.push([id, args]);
      }
    });
  }
  sidebar = new TunnelSidebar({ manager, commands, trans });
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
