/**
 * An application in a tab of JupyterLab, and the choice between the two ways to show one.
 *
 * *origin*: the application has a host name of its own, so that it is like any other web site. It
 * needs a browser that is on the server's machine and resolves names below `localhost`.
 * *path*: it is below Jupyter's own address. It must never be same-origin with Jupyter, whose API it
 * could call otherwise, so the frame has an opaque origin.
 */

import { MainAreaWidget } from '@jupyterlab/apputils';
import { TranslationBundle } from '@jupyterlab/translation';
import {
  IFrame,
  refreshIcon,
  Toolbar,
  ToolbarButton
} from '@jupyterlab/ui-components';
import { UUID } from '@lumino/coreutils';
import { Widget } from '@lumino/widgets';

import { Application } from './api';
import { browserIcon, tunnelIcon } from './icons';

export type View = 'origin' | 'path';

// Never navigation of the top: a click that ran `top.location = …` would replace JupyterLab.
const COMMON: IFrame.SandboxExceptions[] = [
  'allow-scripts',
  'allow-forms',
  'allow-popups',
  'allow-downloads'
];
const SANDBOX: Record<View, IFrame.SandboxExceptions[]> = {
  origin: [...COMMON, 'allow-same-origin', 'allow-modals'],
  path: COMMON
};
const PROBE_TIMEOUT = 2000;

/** Decides once per page which view this browser can show. */
export class ViewChooser {
  constructor(private readonly _location: Location = window.location) {}

  /**
   * What is known so far, at once: a click that waits before it opens a window is taken for a pop-up.
   *
   * @param offersOrigin - whether the server offers the origin view.
   */
  best(offersOrigin: boolean): View {
    return offersOrigin && this._reached ? 'origin' : 'path';
  }

  /** As `best`, after the browser was asked. */
  async choose(offersOrigin: boolean): Promise<View> {
    if (offersOrigin && this._isLoopback()) {
      this._probe ??= this._probeName();
      this._reached = await this._probe;
    }
    return this.best(offersOrigin);
  }

  private _isLoopback(): boolean {
    const { hostname, protocol } = this._location;
    return (
      protocol === 'http:' &&
      /^(localhost|.+\.localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
    );
  }

  /** Whether the browser takes a name below `localhost` to this very server. */
  private async _probeName(): Promise<boolean> {
    const random = UUID.uuid4().replaceAll('-', '');
    const name = `probe-${random}.localhost`;
    try {
      await fetch(`http://${name}:${this._location.port || '80'}/`, {
        mode: 'no-cors',
        credentials: 'omit',
        cache: 'no-store',
        signal: AbortSignal.timeout(PROBE_TIMEOUT)
      });
      return true;
    } catch {
      return false;
    }
  }

  private _reached = false;
  private _probe: Promise<boolean> | null = null;
}

/**
 * A frame that shows an application, or a page of the server's that says why it cannot be shown and
 * goes on asking until it can.
 */
export class ApplicationFrame extends IFrame {
  constructor(
    private readonly _url: string,
    view: View
  ) {
    super({ sandbox: SANDBOX[view] });
    this.reload();
  }

  /** Show what there is now. */
  reload(): void {
    this.url = this._url;
  }
}

/** What a tab shows, and what brings it back after a reload. */
export interface ApplicationTabOptions {
  app: Pick<Application, 'id' | 'name'>;
  view: View;
  url: string;
  trans: TranslationBundle;
  openInBrowser: () => void;
}

export class ApplicationTab extends MainAreaWidget<ApplicationFrame> {
  constructor(options: ApplicationTabOptions) {
    const { app, trans, url, view } = options;
    const content = new ApplicationFrame(url, view);
    super({ content });
    this.app = app;
    this.id = `jp-remote-tunnel-app-${app.id}`;
    this.addClass('jp-RemoteTunnel-application');
    this.title.label = app.name;
    this.title.caption = trans.__('%1, through an SSH tunnel', app.name);
    this.title.icon = tunnelIcon;
    content.node.querySelector('iframe')!.title = app.name;
    const toolbar: [string, Widget][] = [
      [
        'reload',
        new ToolbarButton({
          icon: refreshIcon,
          tooltip: trans.__('Reload this application'),
          onClick: () => content.reload()
        })
      ],
      [
        'browser',
        new ToolbarButton({
          icon: browserIcon,
          tooltip: trans.__('Open in a tab of the browser'),
          onClick: options.openInBrowser
        })
      ],
      ['spacer', Toolbar.createSpacerItem()]
    ];
    for (const [name, widget] of toolbar) {
      this.toolbar.addItem(name, widget);
    }
  }

  readonly app: Pick<Application, 'id' | 'name'>;
}
