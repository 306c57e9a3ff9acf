import { describe, expect, it, vi } from 'vitest';

import { TunnelStatus } from '../src/api';
import { CommandIDs } from '../src/commands';
import { clock, traffic } from '../src/format';
import { application, farLeg, forward, prompt, tunnel } from './samples';
import {
  button,
  executed,
  manager,
  show,
  sidebar,
  texts,
  trans,
  withSidebar
} from './shownsidebar';

withSidebar();

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
