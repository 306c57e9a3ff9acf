import { Dialog } from '@jupyterlab/apputils';
import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

import { Question } from '../src/api';
import { Questions } from '../src/questions';
import { TunnelError } from '../src/restapi';
import { prompt, tunnel } from './samples';
import { ListedTunnels } from './tunnels';

const trans = nullTranslator.load('jupyter_remote_tunnel');
const KEY = {
  type: 'ED25519',
  fingerprint: 'SHA256:abc',
  name: '[gw]:22',
  file: '~/.ssh/known_hosts',
  certificate: ''
};
const UNKNOWN = 'Unknown Host Key of gw (hop 1 of 2)';
const HOST_KEY: Partial<Question> = {
  kind: 'host_key',
  fields: [],
  host_key: KEY
};
const NEW: Partial<Question> = {
  kind: 'new_password',
  fields: ['Old', 'New', 'Again'].map(label => ({ label, echo: false }))
};

let manager: ListedTunnels;

beforeEach(() => {
  manager = new ListedTunnels();
  new Questions(manager, trans);
});

afterEach(() => {
  manager.ask();
  Dialog.flush();
});

function titles(): (string | null)[] {
  return [...document.querySelectorAll('.jp-Dialog-header')].map(
    ({ textContent }) => textContent
  );
}

/** The dialog that is open, once it is that, and it can be typed into. */
async function dialog(title: string): Promise<HTMLElement> {
  await vi.waitFor(() => expect(titles()).toEqual([title]));
  const found = document.querySelector<HTMLElement>('.jp-Dialog')!;
  await vi.waitFor(() =>
    expect(found.querySelector('.jp-RemoteTunnel-fields')).not.toBeNull()
  );
  return found;
}

async function noDialog(): Promise<void> {
  await vi.waitFor(() => expect(titles()).toEqual([]));
}

/** Wait until no dialog is open, and this was asked of the server. */
async function sent(...requests: [string, unknown][]): Promise<void> {
  await noDialog();
  await vi.waitFor(() => expect(manager.asked).toEqual(requests));
}

/** Ask this, and have its dialog. */
function asked(
  question: Partial<Question>,
  title: string
): Promise<HTMLElement> {
  manager.ask(prompt(question));
  return dialog(title);
}

function inputs(node: HTMLElement): HTMLInputElement[] {
  return [...node.querySelectorAll<HTMLInputElement>('.jp-Dialog-body input')];
}

/** Type into the fields, in their order. */
function type(node: HTMLElement, ...texts: string[]): void {
  texts.forEach((text, index) => {
    const input = inputs(node)[index]!;
    input.value = text;
    input.dispatchEvent(new Event('input', { bubbles: true }));
  });
}

function buttons(node: HTMLElement): HTMLButtonElement[] {
  return [...node.querySelectorAll<HTMLButtonElement>('.jp-Dialog-button')];
}

function press(node: HTMLElement, label: string): void {
  buttons(node)
    .find(({ textContent }) => textContent === label)!
    .click();
}

function key(node: Element, name: string): void {
  node.dispatchEvent(
    new KeyboardEvent('keydown', { key: name, bubbles: true })
  );
}

it('a question says which tunnels it is for', async () => {
  const names = ['a', 'b', 'c', 'd'];
  const ids = names.map(name => name.repeat(12));
  manager.tunnels = names.map((name, at) => tunnel({ id: ids[at]!, name }));
  for (const [count, text] of [
    [1, 'For the SSH tunnel a.'],
    [3, 'For the SSH tunnels a, b, c.'],
    [4, 'For the SSH tunnels a, b, c ….']
  ] as const) {
    manager.ask({ ...prompt(), tunnels: ids.slice(0, count) });
    const node = await dialog('Password for gw (hop 1 of 2)');
    expect(node.querySelector('.jp-Dialog-body')!.textContent).toContain(text);
    manager.ask();
    await noDialog();
  }
  // The doctor's is for none.
  manager.ask({ ...prompt(), tunnels: [] });
  const node = await dialog('Password for gw (hop 1 of 2)');
  expect(node.textContent).not.toContain('For the');
});

/** The lines of all that is quoted. */
function quoted(node: HTMLElement): (string | null)[] {
  return [...node.querySelectorAll('.jp-RemoteTunnel-quote > *')].map(
    ({ textContent }) => textContent
  );
}

describe('a password', () => {
  it('is asked for, answered and forgotten', async () => {
    const node = await asked({}, 'Password for gw (hop 1 of 2)');
    const [input] = inputs(node);
    expect(input!.type).toBe('password');
    expect(input!.autocomplete).toBe('off');
    await vi.waitFor(() => expect(document.activeElement).toBe(input));
    type(node, 'horse');
    key(input!, 'Enter');
    await sent([
      'answer',
      ['aaaaaaaaaaaa', { answers: ['horse'], remember: false }]
    ]);
    expect(input!.value).toBe('');
  });

  it('is not empty', async () => {
    const node = await asked({}, 'Password for gw (hop 1 of 2)');
    await vi.waitFor(() => expect(buttons(node)[1]!.disabled).toBe(true));
    key(inputs(node)[0]!, 'Enter');
    type(node, 'horse');
    expect(buttons(node)[1]!.disabled).toBe(false);
    expect(manager.asked).toEqual([]);
  });

  it('that was wrong is said to be', async () => {
    const node = await asked({ tries: 2 }, 'Password for gw (hop 1 of 2)');
    expect(node.querySelector('[role="alert"]')!.textContent).toContain(
      'not the right password'
    );
  });

  it('is described by what is to be read before', async () => {
    const node = await asked({ says: 'Hi.' }, 'Password for gw (hop 1 of 2)');
    for (const element of [inputs(node)[0]!, node]) {
      const id = element.getAttribute('aria-describedby')!;
      expect(document.getElementById(id)!.textContent).toBe(
        'gw (hop 1 of 2) says:Hi.gw (hop 1 of 2) asks for the password of ada@gw:22.'
      );
    }
    expect(node.getAttribute('aria-label')).toBe(
      'Password for gw (hop 1 of 2)'
    );
  });
});

describe('giving up', () => {
  it.each(['Cancel', 'Escape'])('by %s', async way => {
    const node = await asked({}, 'Password for gw (hop 1 of 2)');
    type(node, 'horse');
    if (way === 'Cancel') {
      press(node, way);
    } else {
      key(node, way);
    }
    await sent(['giveUp', 'aaaaaaaaaaaa']);
  });

  it('is no click beside the dialog', async () => {
    const node = await asked({}, 'Password for gw (hop 1 of 2)');
    node.click();
    expect(node.isConnected).toBe(true);
  });

  it('is said once to a server that does not do it', async () => {
    const error = { code: 'not_allowed', message: 'Not yours.', hint: '' };
    manager.answers.push(new TunnelError(error));
    press(await asked({}, 'Password for gw (hop 1 of 2)'), 'Cancel');
    await vi.waitFor(() =>
      expect(titles()).toEqual(['gw (hop 1 of 2) got no answer'])
    );
    press(document.querySelector('.jp-Dialog')!, 'Dismiss');
    await noDialog();
    manager.ask(prompt(), prompt(HOST_KEY, 'bbbbbbbbbbbb'));
    await dialog(UNKNOWN);
  });
});

describe('a host key', () => {
  it.each([
    ['Accept Once', false],
    ['Accept and Remember', true]
  ])('%s', async (label, remember) => {
    const node = await asked(HOST_KEY, UNKNOWN);
    const text = node.textContent!;
    for (const fact of [
      'gw (hop 1 of 2)',
      'ada@gw:22',
      ...Object.values(KEY)
    ]) {
      expect(text).toContain(fact);
    }
    expect(text).toContain('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
    press(node, label);
    await sent(['answer', ['aaaaaaaaaaaa', { answers: [], remember }]]);
  });

  it('is not accepted by an Enter', async () => {
    const node = await asked(HOST_KEY, UNKNOWN);
    await vi.waitFor(() =>
      expect(document.activeElement).toBe(buttons(node)[0])
    );
    key(document.activeElement!, 'Enter');
    await sent(['giveUp', 'aaaaaaaaaaaa']);
  });

  it('that no file can keep is not to be remembered', async () => {
    const node = await asked(
      { ...HOST_KEY, host_key: { ...KEY, file: null } },
      UNKNOWN
    );
    expect(buttons(node).map(({ textContent }) => textContent)).toEqual([
      'Cancel',
      'Accept Once'
    ]);
    expect(node.textContent).not.toContain('Remember');
  });

  it('tells of a certificate that does not count', async () => {
    const certificate = 'Its certificate is not valid: it has expired.';
    const node = await asked(
      { ...HOST_KEY, host_key: { ...KEY, certificate } },
      UNKNOWN
    );
    expect(node.textContent).toContain(certificate);
  });
});

describe('a question that goes while it is answered', () => {
  it('takes what is typed on, and sends it nowhere', async () => {
    const node = await asked({}, 'Password for gw (hop 1 of 2)');
    const [input] = inputs(node);
    type(node, 'hor');
    input!.focus();
    manager.ask({ ...prompt({}, 'bbbbbbbbbbbb'), hop: 'other' });
    await vi.waitFor(() =>
      expect(node.querySelector('[role="alert"]')!.textContent).toBe(
        'gw (hop 1 of 2) waits for this answer no more.'
      )
    );
    expect([input!.value, input!.readOnly]).toEqual(['', true]);
    expect(document.activeElement).toBe(input);
    // The next one waits until somebody has seen it.
    expect(titles()).toEqual(['Password for gw (hop 1 of 2)']);
    press(node, 'Cancel');
    press(await dialog('Password for other'), 'Cancel');
    await sent(['giveUp', 'bbbbbbbbbbbb']);
  });
});

describe('a passphrase', () => {
  it.each([false, true])('opens its key; for long: %s', async remember => {
    const node = await asked(
      { kind: 'passphrase', path: '~/.ssh/id_rsa' },
      'Passphrase of a Key'
    );
    expect(node.textContent).toContain('~/.ssh/id_rsa');
    type(node, 'horse');
    const keep = node.querySelector<HTMLInputElement>('[type="checkbox"]')!;
    expect(keep.checked).toBe(false);
    keep.checked = remember;
    press(node, 'Unlock');
    await sent(['answer', ['aaaaaaaaaaaa', { answers: ['horse'], remember }]]);
  });
});

describe('a new password', () => {
  it('goes from field to field by Enter', async () => {
    const node = await asked(NEW, 'New Password for gw (hop 1 of 2)');
    const fields = inputs(node);
    expect(fields.map(({ autocomplete }) => autocomplete)).toEqual([
      'off',
      'new-password',
      'new-password'
    ]);
    type(node, 'old', 'new', 'new');
    fields[0]!.focus();
    for (const field of fields) {
      expect(document.activeElement).toBe(field);
      key(field, 'Enter');
    }
    await sent([
      'answer',
      ['aaaaaaaaaaaa', { answers: ['old', 'new', 'new'], remember: false }]
    ]);
  });
});

describe('what a host words itself', () => {
  const html = '<img src=x onerror=alert(1)><b>bold</b>';

  it('stands in a frame, as text, and may be answered by nothing', async () => {
    const node = await asked(
      {
        kind: 'keyboard_interactive',
        says: html,
        fields: [
          { label: `First\n${html}\nUser:`, echo: true },
          { label: '', echo: false }
        ]
      },
      'Login to gw (hop 1 of 2)'
    );
    expect(node.querySelector('img, b')).toBeNull();
    expect(quoted(node)).toEqual([
      'gw (hop 1 of 2) says:',
      html,
      'gw (hop 1 of 2) asks ada@gw:22:',
      `First\n${html}User:`,
      '(it does not say what)'
    ]);
    const fields = inputs(node);
    expect(fields.map(field => [field.type, field.autocomplete])).toEqual([
      ['text', 'off'],
      ['password', 'one-time-code']
    ]);
    type(node, 'ada', '');
    press(node, 'Answer');
    await sent([
      'answer',
      ['aaaaaaaaaaaa', { answers: ['ada', ''], remember: false }]
    ]);
  });

  it('needs no answer where it only says something', async () => {
    const node = await asked(
      { kind: 'notice', fields: [], says: 'Tap on your phone.' },
      'Login to gw (hop 1 of 2)'
    );
    expect(quoted(node)).toEqual([
      'gw (hop 1 of 2) says:',
      'Tap on your phone.'
    ]);
    expect(buttons(node)).toHaveLength(1);
    manager.ask();
    await sent();
  });
});

describe('a security key', () => {
  it('is to be touched, whatever is typed', async () => {
    const node = await asked(
      { kind: 'notice', fields: [] },
      'Touch Your Security Key'
    );
    expect(node.textContent).toContain('Touch your security key');
    expect(node.querySelector('.jp-RemoteTunnel-quote')).toBeNull();
    await vi.waitFor(() =>
      expect(document.activeElement!.className).toBe('jp-RemoteTunnel-about')
    );
    key(document.activeElement!, 'Enter');
    expect(titles()).toEqual(['Touch Your Security Key']);
    press(node, 'Cancel');
    await sent(['giveUp', 'aaaaaaaaaaaa']);
  });
});

describe('questions', () => {
  const first = prompt(HOST_KEY);
  const second = prompt({}, 'bbbbbbbbbbbb');

  it('come one after the other, the oldest first', async () => {
    manager.ask(first, second);
    press(await dialog(UNKNOWN), 'Accept Once');
    const node = await dialog('Password for gw (hop 1 of 2)');
    type(node, 'horse');
    press(node, 'Log In');
    await sent(
      ['answer', [first.id, { answers: [], remember: false }]],
      ['answer', [second.id, { answers: ['horse'], remember: false }]]
    );
  });

  it('go when they do not wait any more', async () => {
    manager.ask(first, second);
    await dialog(UNKNOWN);
    manager.ask(second);
    await dialog('Password for gw (hop 1 of 2)');
    manager.ask();
    await sent();
  });

  it('stay as they are while others come', async () => {
    manager.ask(second);
    const node = await dialog('Password for gw (hop 1 of 2)');
    type(node, 'hor');
    manager.ask(first, second);
    expect(titles()).toEqual(['Password for gw (hop 1 of 2)']);
    expect(inputs(node)[0]!.value).toBe('hor');
  });

  it('wait for the dialogs of others, and go from among them', async () => {
    const theirs = new Dialog({ title: 'Theirs' });
    void theirs.launch();
    await vi.waitFor(() => expect(titles()).toEqual(['Theirs']));
    manager.ask(second);
    const last = new Dialog({ title: 'Last' });
    void last.launch();
    expect(titles()).toEqual(['Theirs']);
    manager.ask();
    theirs.reject();
    await vi.waitFor(() => expect(titles()).toEqual(['Last']));
    last.reject();
    await noDialog();
  });

  it('that somebody else answered first are no trouble', async () => {
    const error = { code: 'not_found', message: 'Gone.', hint: '' };
    manager.answers.push(new TunnelError(error));
    manager.ask(first);
    press(await dialog(UNKNOWN), 'Accept Once');
    manager.ask();
    await noDialog();
  });

  it('are asked again when the answer did not arrive', async () => {
    const error = { code: 'http', message: 'Trouble.', hint: '' };
    manager.answers.push(new TunnelError(error));
    manager.ask(first);
    press(await dialog(UNKNOWN), 'Accept Once');
    await vi.waitFor(() =>
      expect(titles()).toEqual(['gw (hop 1 of 2) got no answer'])
    );
    press(document.querySelector('.jp-Dialog')!, 'Dismiss');
    press(await dialog(UNKNOWN), 'Accept Once');
    await noDialog();
  });

  it('come again after what disposed of their dialogs', async () => {
    manager.ask(first);
    await dialog(UNKNOWN);
    Dialog.flush();
    await dialog(UNKNOWN);
  });
});
