import { nullTranslator } from '@jupyterlab/translation';
import { afterEach, describe, expect, it } from 'vitest';

import { ApplicationTab, View, ViewChooser } from '../src/view';

const trans = nullTranslator.load('jupyter_remote_tunnel');

let tab: ApplicationTab;

afterEach(() => tab?.dispose());

function frame(view: View): HTMLIFrameElement {
  tab?.dispose();
  tab = new ApplicationTab({
    app: { id: '0123', name: 'plot <b>' },
    view,
    url: 'http://localhost:8888/remote-tunnel/open/0123',
    trans,
    openInBrowser: () => undefined
  });
  return tab.content.node.querySelector('iframe')!;
}

function sandbox(view: View): Set<string> {
  return new Set(frame(view).getAttribute('sandbox')!.split(' '));
}

describe('the frame of an application', () => {
  it('has an origin only where that origin is its own', () => {
    expect(sandbox('origin')).toContain('allow-same-origin');
    expect(sandbox('path')).not.toContain('allow-same-origin');
  });

  it.each(['origin', 'path'] as View[])('never navigates the top: %s', view => {
    const allowed = [...sandbox(view)].join(' ');
    expect(allowed).not.toContain('top-navigation');
    expect(allowed).not.toContain('escape-sandbox');
  });

  it('tells nobody where it was opened, and has a name', () => {
    expect(frame('origin').getAttribute('referrerpolicy')).toBe('no-referrer');
    expect(frame('origin').title).toBe('plot <b>');
  });
});

describe('the view', () => {
  it.each([
    ['http://gpu01.example.org:8888/lab', true],
    ['https://localhost:8888/lab', true],
    ['http://localhost.example.org/lab', true],
    ['http://localhost:8888/lab', false]
  ])('at %s, offered %s, is the path', async (address, offered) => {
    const location = new URL(address) as unknown as Location;
    expect(await new ViewChooser(location).choose(offered)).toBe('path');
  });

  it('is the path while the browser was not asked', () => {
    expect(new ViewChooser().best(true)).toBe('path');
  });
});
