"""Vega-Lite specifications of the report's panels, built with Altair.

The page's script supplies the points. A point has `x`, `value`, `low` and `high` (interval over
images), `bar_low` and `bar_high` (interval over channel draws), `scheme`, `channel`, `solid`
(whether its marker is filled), `level` (a horizontal line), `mark` (a vertical line), `tip` (the
tooltip) and `said` (the same text for screen readers).

Units: accuracies in percent, differences in percentage points.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt

POINTS = "points"  # name of the data set in the specifications
SNR = "SNR (Es/N0 per channel use) in dB"
USES = "channel uses per image, k"
FAINT, THIN = 0.15, 0.8
INK = "currentColor"
GAPS = [-10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 50]  # ticks, in points


def panels(looks: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Vega-Lite specifications of the three panels, by the names of their places on the page."""
    even = alt.Scale(nice=False, zero=False)
    doubling = alt.Scale(type="log", base=2, nice=False)
    whole = alt.Axis(format="d", labelOverlap=True, title=USES)
    accuracy = alt.Y("value:Q", title=None, scale=alt.Scale(nice=True, zero=False))
    below = alt.Axis(values=GAPS, format="d", title=None, labelOverlap=False)
    gap = alt.Y("value:Q", scale=alt.Scale(type="symlog", nice=False), axis=below)
    return {
        "snr": _panel(looks, {"scale": even, "title": SNR}, accuracy),
        "uses": _panel(looks, {"scale": doubling, "axis": whole}, accuracy),
        "gap": _panel(looks, {"scale": even, "title": SNR}, gap),
    }


def _panel(looks: Sequence[dict[str, Any]], across: dict[str, Any], value: alt.Y) -> dict[str, Any]:
    """One panel with a facet per channel; the page's script sets width and number of columns."""
    rule = alt.Chart().mark_rule(color=INK)
    chart = alt.layer(
        rule.encode(
            y=alt.Y("max(level):Q", title=None),
            strokeDash=alt.value([2, 3]),
            opacity=alt.value(0.7),
        ),
        rule.encode(x=alt.X("max(mark):Q", **across), opacity=alt.value(0.25)),
        *_curves(looks, x=alt.X("x:Q", **across), value=value),
    ).facet(
        data=alt.NamedData(POINTS),
        facet=alt.Facet("channel:N", sort=None, title=None),
        columns=1,
    )
    panel: dict[str, Any] = _styled(chart).to_dict()
    return panel | {"params": [{"name": "lit", "value": ""}]}


def _curves(looks: Sequence[dict[str, Any]], *, x: alt.X, value: alt.Y) -> list[alt.Chart]:
    """Layers of bands, bars, lines and markers, from bottom to top."""
    hue = _of_scheme(looks, [f"var(--c{place})" for place in range(len(looks))])
    dashes, marker = (
        _of_scheme(looks, [own[key] for own in looks]) for key in ("dashes", "marker")
    )
    chart = alt.Chart().encode(x=x, opacity=_lit(1))
    lines = chart.encode(y=value, color=alt.Color(**hue), strokeDash=alt.StrokeDash(**dashes))
    markers = chart.encode(
        y=value,
        stroke=alt.Stroke(**hue),
        fill=alt.condition("datum.solid", alt.Fill(**hue), alt.value("var(--paper)")),
        shape=alt.Shape(**marker),
        description="said:N",
    )
    bars = chart.transform_filter("isValid(datum.bar_low)")
    return [
        _between(chart, "low", "high", hue).mark_area().encode(opacity=_lit(FAINT)),
        _between(bars, "bar_low", "bar_high", hue).mark_rule(strokeWidth=THIN),
        lines.mark_line(strokeWidth=2 * THIN),
        markers.mark_point(size=45, strokeWidth=THIN, tooltip=alt.ExprRef("datum.tip")),
    ]


def _between(chart: alt.Chart, low: str, high: str, hue: dict[str, Any]) -> alt.Chart:
    """Encode a mark from the field `low` to the field `high`, in the scheme's colour."""
    return chart.encode(y=alt.Y(f"{low}:Q", title=None), y2=alt.Y2(high), color=alt.Color(**hue))


def _of_scheme(looks: Sequence[dict[str, Any]], values: list[Any]) -> dict[str, Any]:
    """Encoding channel that maps each scheme to its own value."""
    scale = alt.Scale(domain=[own["name"] for own in looks], range=values)
    return {"field": "scheme", "type": "nominal", "legend": None, "scale": scale}


def _lit(opacity: float) -> Any:
    """Opacity of a scheme, reduced while the pointer is on another scheme."""
    test = "lit === '' || datum.scheme === lit"
    return alt.condition(test, alt.value(opacity), alt.value(FAINT * opacity))


def _styled(chart: alt.FacetChart) -> Any:
    """Use the page's text colour, so that one drawing serves light mode, dark mode and print."""
    lines = {"gridColor": INK, "gridOpacity": 0.12, "domainOpacity": 0.4, "tickOpacity": 0.4}
    ink = {"labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK}
    return (
        chart.configure(background="transparent", font="inherit")
        .configure_axis(**lines, **ink, titleFontWeight="normal")
        .configure_header(labelColor=INK, labelFontWeight="bold")
        .configure_view(stroke=None)
    )
