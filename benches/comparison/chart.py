"""The chart: one group of bars a row, each bar as long as its seconds are of the best peer's."""

from html import escape

import report

WIDTH, COLUMN, MARGIN = 960, 470, 10
NAMES, UNIT, MOST = 132, 150, 1.75
BAR, STEP, TITLE, GAP = 11, 16, 22, 14
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 }
  .small { fill: #59636e }
  .peer { fill: #9aa4af }
  .ours { fill: #0969da }
  .best { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9198a1 }
    .peer { fill: #656c76 }
    .ours { fill: #4493f8 }
    .best { stroke: #9198a1 }
  }
"""


def groups(results):
    """For each row and measure: a title, and bars of (name, length or None for more than can be shown, text, ours)."""
    found = []
    for row in results["rows"]:
        if row["kind"] not in ("download", "turns"):
            continue
        for measure in row["measures"]:
            best = report.best_of(row, measure)
            if best is None:
                continue
            title = row["title"] + (", CPU seconds" if measure == "cpu" else "")
            theirs = sorted((e for e in row["entries"] if not e["ours"]), key=lambda e: report.order(e, [measure]))
            shown = [e for e in row["entries"] if e["ours"]] + theirs[:3]
            bars = [bar(entry, measure, best) for entry in shown if entry["runs"]]
            found.append((title, bars))
    return found


def bar(entry, measure, best):
    value = entry.get(measure)
    text = report.number(value) if value is not None else report.standing(entry, [measure])
    length = value / best[measure] if value is not None else (MOST + 1 if "over" in entry else 0)
    return entry["name"], length, text, entry["ours"]


def height_of(group):
    return TITLE + STEP * len(group[1]) + GAP


def draw(results):
    """The chart as SVG, in two columns; it follows the reader's light or dark mode and uses the system's own font."""
    todo = groups(results)
    total = sum(height_of(group) for group in todo)
    columns, heights = [[], []], [0, 0]
    for group in todo:
        side = 0 if heights[0] + height_of(group) / 2 <= total / 2 and not columns[1] else 1
        columns[side].append((heights[side], group))
        heights[side] += height_of(group)
    height = max(heights) + 30 + MARGIN
    parts = []
    for side, column in enumerate(columns):
        for top, group in column:
            parts += draw_group(MARGIN + side * (COLUMN + MARGIN), top + MARGIN, group)
    legend = "Shorter is better. The dashed line is the best peer. ftpq syncs every file to the disk first."
    parts.append(f'<text class="small" x="{MARGIN}" y="{height - 10}">{escape(legend)}</text>')
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Seconds of ftpq and its peers">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def draw_group(left, top, group):
    title, bars = group
    begin = left + NAMES
    parts = [f'<text class="title" x="{left}" y="{top + 13}">{escape(title)}</text>']
    for place, (name, length, text, ours) in enumerate(bars):
        y = top + TITLE + place * STEP
        kind = "ours" if ours else "peer"
        width = min(length, MOST) * UNIT
        parts.append(f'<text x="{begin - 6}" y="{y + 10}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'<rect class="{kind}" x="{begin}" y="{y}" width="{width:.1f}" height="{BAR}" rx="2"/>')
        if length > MOST:
            # An open end: the bar would be longer than there is room.
            tip = begin + width
            parts.append(f'<path class="{kind}" d="M{tip:.1f} {y - 1} l7 {BAR / 2 + 1} l-7 {BAR / 2 + 1} z"/>')
            width += 8
        parts.append(f'<text class="small" x="{begin + width + 5:.1f}" y="{y + 10}">{escape(text)}</text>')
    bottom = top + TITLE + len(bars) * STEP - 3
    parts.append(f'<line class="best" x1="{begin + UNIT}" x2="{begin + UNIT}" y1="{top + TITLE - 3}" y2="{bottom}"/>')
    return parts
