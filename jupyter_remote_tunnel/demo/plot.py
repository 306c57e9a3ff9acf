"""The application of the demo: a Bokeh plot that moves by itself and can be spoken to.

`bokeh serve` runs this file on the demo's host, with neither a prefix nor an allowed origin.
"""

import math
from itertools import count

from bokeh.layouts import column
from bokeh.models import ColumnDataSource
from bokeh.models.widgets import Slider
from bokeh.plotting import curdoc, figure

_MILLISECONDS = 200
_POINTS = 200

source = ColumnDataSource({"t": [], "signal": []})
plot = figure(title="A signal on the remote host", height=320, x_axis_label="step")
plot.sizing_mode = "stretch_width"
plot.line("t", "signal", source=source, line_width=2)
frequency = Slider(title="Frequency", start=0.1, end=3.0, step=0.1, value=1.0)
_steps = count()


def step() -> None:
    """Add one point: each is a patch of the document to every browser that looks on."""
    t = next(_steps)
    signal = math.sin(t * frequency.value / 5) + 0.2 * math.sin(t * 1.7)
    source.stream({"t": [t], "signal": [signal]}, rollover=_POINTS)


document = curdoc()
document.title = "Remote signal"
document.add_root(column(frequency, plot, sizing_mode="stretch_width"))
document.add_periodic_callback(step, _MILLISECONDS)
